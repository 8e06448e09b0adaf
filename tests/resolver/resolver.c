/* Stands before the system's resolver (LD_PRELOAD): answers for one name as the file of RESOLVER says, which holds
 * one word: an address, "fails" or "hangs". All other names go to the system. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    resolve *system = (resolve *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *place = getenv("RESOLVER");
    char word[64] = "fails";

    if (name == NULL || place == NULL || strcmp(name, "cache.test") != 0)
        return system(name, service, hints, found);
    for (;;) {
        FILE *file = fopen(place, "r");
        if (file == NULL || fscanf(file, "%63s", word) != 1)
            strcpy(word, "fails");
        if (file != NULL)
            fclose(file);
        if (strcmp(word, "hangs") != 0)
            break;
        usleep(20000);
    }
    if (strcmp(word, "fails") == 0)
        return EAI_AGAIN;
    return system(word, service, hints, found);
}
