// Reads the settings: one flat JSON object of whole numbers and texts, which the server has checked against
// the schema. Whoever has nested settings takes a JSON library instead.
#pragma once

#include "text.h"

struct json { const char *at, *end; };

static void json_blanks(struct json *in) {
  while (in->at < in->end && strchr(" \t\r\n,:{", *in->at)) in->at++;
}

static uint32_t json_hex(struct json *in) {
  uint32_t code = 0;
  for (int digits = 0; digits < 4 && in->at < in->end; digits++, in->at++) {
    char digit = *in->at;
    code = code * 16 + (uint32_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
  }
  return code;
}

static char *json_utf8(char *out, uint32_t code) {
  if (code < 0x80) { *out++ = (char)code; return out; }
  int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  *out++ = (char)(0xf00 >> more | code >> 6 * more);
  while (more--) *out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
  return out;
}

// The text that begins here with its quotation mark, decoded; the caller frees it. It is never longer than it
// is written.
static text json_text(struct json *in) {
  char *decoded = malloc((size_t)(in->end - in->at) + 1), *out = decoded;
  for (in->at++; in->at < in->end && *in->at != '"'; ) {
    if (*in->at != '\\') { *out++ = *in->at++; continue; }
    static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char name = in->at[1];
    in->at += 2;
    const char *known = name ? strchr(names, name) : NULL;
    if (known) { *out++ = meant[known - names]; continue; }
    if (name != 'u') { *out++ = name; continue; }
    uint32_t code = json_hex(in);
    if (code >> 10 == 0x36 && in->end - in->at > 6) { // the first of two halves
      in->at += 2;
      code = 0x10000 + ((code & 0x3ff) << 10) + (json_hex(in) & 0x3ff);
    }
    out = json_utf8(out, code);
  }
  in->at++;
  return (text){(uint8_t *)decoded, (size_t)(out - decoded)};
}

// Is the next name this one? Then its value is next, for `json_text` or `json_number`.
static bool json_name(struct json *in, text name) {
  json_blanks(in);
  size_t left = (size_t)(in->end - in->at);
  if (left < name.len + 2 || in->at[name.len + 1] != '"' || memcmp(in->at + 1, name.ptr, name.len)) return false;
  in->at += name.len + 2;
  json_blanks(in);
  return true;
}

static bool json_ends(struct json *in) {
  json_blanks(in);
  return in->at >= in->end || *in->at == '}';
}

static uint32_t json_number(struct json *in) {
  uint32_t number = 0;
  while (in->at < in->end && *in->at >= '0' && *in->at <= '9') number = number * 10 + (uint32_t)(*in->at++ - '0');
  return number;
}
