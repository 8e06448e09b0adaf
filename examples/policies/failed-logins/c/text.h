// Texts of the contract: a pointer and a length, no zero at the end. Made by hand, because printf would
// bring an import of WASI for writing to files.
#pragma once

#include "bindings/failed_logins.h"
#include <stdlib.h>
#include <string.h>

typedef failed_logins_string_t text;

// What is written in the source, as it is.
#define WORD(words) ((text){(uint8_t *)words, sizeof words - 1})

// A copy of the parts, one behind the other; the bindings free it with what it becomes part of.
#define JOIN(...) join((text[]){__VA_ARGS__}, sizeof((text[]){__VA_ARGS__}) / sizeof(text))

static text join(const text *parts, size_t count) {
  text all = {0};
  for (size_t part = 0; part < count; part++) all.len += parts[part].len;
  all.ptr = malloc(all.len + 1);
  size_t at = 0;
  for (size_t part = 0; part < count; at += parts[part++].len) memcpy(all.ptr + at, parts[part].ptr, parts[part].len);
  return all;
}

// Room for the digits of a number.
typedef struct { uint8_t room[20]; } digits;

static text decimal(uint64_t number, digits *in) {
  size_t at = sizeof in->room;
  do in->room[--at] = (uint8_t)('0' + number % 10); while (number /= 10);
  return (text){in->room + at, sizeof in->room - at};
}
