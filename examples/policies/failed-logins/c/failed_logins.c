// Bans a host after too many failed logins within a window of time.
#include "bindings/failed_logins.h"
#include "json.h"
#include "text.h"

static const char schema[] = "{"
  "\"type\": \"object\","
  "\"additionalProperties\": false,"
  "\"properties\": {"
  "  \"attempts\": {"
  "    \"description\": \"Failed logins of one host that are one too many.\","
  "    \"type\": \"integer\", \"minimum\": 1, \"maximum\": 100000, \"default\": 5},"
  "  \"window\": {"
  "    \"description\": \"Seconds in which they are counted, from the first one.\","
  "    \"type\": \"integer\", \"minimum\": 1, \"maximum\": 31536000, \"default\": 600},"
  "  \"ban\": {"
  "    \"description\": \"Length of a ban in seconds.\","
  "    \"type\": \"integer\", \"minimum\": 1, \"maximum\": 31536000, \"default\": 3600},"
  "  \"message\": {"
  "    \"description\": \"What a banned client reads; %t is the time left. At most 200 bytes.\","
  "    \"type\": \"string\", \"default\": \"Too many failed logins. Try again in %t.\"}}}";

struct settings { uint32_t attempts, window, ban; text message; };

// Set by `configure`; the server keeps it for every decision.
static struct settings settings;

void exports_portcullis_policy_ban_guest_describe(exports_portcullis_policy_ban_guest_description_t *about) {
  *about = (exports_portcullis_policy_ban_guest_description_t){
    .name = JOIN(WORD("failed-logins")),
    .version = JOIN(WORD("1.0.0")),
    .summary = JOIN(WORD("Bans a host after too many failed logins.")),
    .events = {malloc(sizeof(text)), 1},
    .settings_schema = JOIN(WORD(schema)),
  };
  about->events.ptr[0] = JOIN(WORD("login-failed"));
}

bool exports_portcullis_policy_ban_guest_configure(exports_portcullis_policy_ban_guest_host_info_t *host, text *json,
                                                   exports_portcullis_policy_ban_guest_list_setting_error_t *errors) {
  struct settings given = {5, 600, 3600, JOIN(WORD("Too many failed logins. Try again in %t."))};
  struct json in = {(char *)json->ptr, (char *)json->ptr + json->len};
  while (!json_ends(&in)) {
    if (json_name(&in, WORD("attempts"))) given.attempts = json_number(&in);
    else if (json_name(&in, WORD("window"))) given.window = json_number(&in);
    else if (json_name(&in, WORD("ban"))) given.ban = json_number(&in);
    else if (json_name(&in, WORD("message"))) given.message = json_text(&in);
    else abort(); // the schema knows no other
  }
  exports_portcullis_policy_ban_guest_host_info_free(host);
  failed_logins_string_free(json);
  // A schema counts characters, the contract bytes.
  if (given.message.len > 200) {
    errors->ptr = calloc(1, sizeof *errors->ptr);
    errors->len = 1;
    errors->ptr[0].path = JOIN(WORD("message"));
    errors->ptr[0].problem = JOIN(WORD("is longer than 200 bytes"));
    return false;
  }
  settings = given;
  return true;
}

// The failures of this host so far; 0 if the store does not answer.
static uint64_t count(text host) {
  uint64_t failures = 0;
  portcullis_policy_store_error_t error;
  text key = JOIN(WORD("failures/"), host);
  if (!portcullis_policy_store_increment(&key, 1, settings.window, &failures, &error)) {
    text line = WORD("a failed login was not counted: the store does not answer");
    portcullis_policy_log_write(PORTCULLIS_POLICY_LOG_LEVEL_WARN, &line);
    portcullis_policy_store_error_free(&error);
  } else if (failures >= settings.attempts) {
    // Who comes back after the ban has all attempts again, unless the store fails just now.
    bool was_there;
    if (!portcullis_policy_store_delete(&key, &was_there, &error)) portcullis_policy_store_error_free(&error);
  }
  failed_logins_string_free(&key);
  return failures;
}

void exports_portcullis_policy_ban_guest_evaluate(exports_portcullis_policy_ban_guest_event_t *event,
                                                  exports_portcullis_policy_ban_guest_verdict_t *verdict) {
  // No opinion about the event; the bans are carried out all the same.
  *verdict = (exports_portcullis_policy_ban_guest_verdict_t){0};
  // A rule that said no says nothing about the password.
  if (event->kind.tag == PORTCULLIS_POLICY_TYPES_EVENT_KIND_LOGIN_FAILED &&
      event->kind.val.login_failed.cause != PORTCULLIS_POLICY_TYPES_LOGIN_CAUSE_DENIED_BY_RULE) {
    text host = event->peer.address;
    uint64_t failures = count(host);
    if (failures >= settings.attempts) {
      text user = event->user.is_some ? event->user.val : WORD("nobody");
      text alone = event->store_degraded ? WORD(", counted by this node alone") : WORD("");
      digits first, second;
      verdict->bans.ptr = calloc(1, sizeof *verdict->bans.ptr);
      verdict->bans.len = 1;
      verdict->bans.ptr[0] = (portcullis_policy_types_ban_t){
        .subject = {PORTCULLIS_POLICY_TYPES_SUBJECT_HOST, .val.host = JOIN(host)},
        .seconds = {true, settings.ban},
        .reason = JOIN(decimal(failures, &first), WORD(" failed logins within "), decimal(settings.window, &second),
                       WORD(" s, the last as "), user, alone),
        .message = {true, JOIN(settings.message)},
        .reach = PORTCULLIS_POLICY_TYPES_REACH_SITE,
      };
    }
  }
  exports_portcullis_policy_ban_guest_event_free(event);
}
