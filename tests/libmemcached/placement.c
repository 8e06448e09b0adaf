/* Where libmemcached places keys: one line of output, the server's number, for each line of input.
   placement ketama|consistent HOST PORT WEIGHT ...; port 0 is a socket. */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **words) {
  memcached_st *memc = memcached_create(NULL);
  if (memc == NULL || count < 2) return 2;
  if (strcmp(words[1], "ketama") == 0) {
    memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
  } else {
    memcached_behavior_set(memc, MEMCACHED_BEHAVIOR_DISTRIBUTION, MEMCACHED_DISTRIBUTION_CONSISTENT);
  }
  for (int at = 2; at + 2 < count; at += 3) {
    in_port_t port = (in_port_t) atoi(words[at + 1]);
    memcached_return_t done = port == 0
      ? memcached_server_add_unix_socket_with_weight(memc, words[at], (uint32_t) atoi(words[at + 2]))
      : memcached_server_add_with_weight(memc, words[at], port, (uint32_t) atoi(words[at + 2]));
    if (done != MEMCACHED_SUCCESS) return 3;
  }
  char key[512];
  while (fgets(key, sizeof key, stdin) != NULL) {
    size_t length = strcspn(key, "\n");
    printf("%u\n", memcached_generate_hash(memc, key, length));
  }
  return 0;
}
