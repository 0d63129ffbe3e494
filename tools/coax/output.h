/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How things are shown: JSON, and text from strangers made safe for a terminal.
 */
#ifndef COAX_OUTPUT_H
#define COAX_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <coax/message.h>

struct tool;

/* Print and free. Returns `status`, or TOOL_LOCAL_ERROR when there was no memory. */
int output_json(const struct tool *tool, json_t *json, int status);

/* The same on one line, for one of several. */
int output_json_line(const struct tool *tool, json_t *json);

/* As JSON text when the bytes are UTF-8, otherwise NULL. */
json_t *output_json_text(const void *bytes, size_t length);

/* "0a1b" */
json_t *output_json_hex(const void *bytes, size_t length);

/*
 * The options of a message: [{"number": 11, "name": "Uri-Path", "value": "time"}, ...]. A value is
 * a number, a text, null (empty format), or, for opaque and unknown options, hex digits.
 */
json_t *output_json_options(const struct coax_message *message);

/*
 * The UTF-8 character at the beginning of `length` (not 0) bytes. Returns its length, 0: there is
 * none.
 */
size_t output_character(const void *text, size_t length, uint32_t *code);

/* Whether a terminal only shows it: no control character, nothing that changes the direction. */
bool output_is_harmless(uint32_t code);

/* Print with each byte of what is not harmless, or not UTF-8, as \xNN. Returns columns. */
int output_safe(FILE *to, const char *text, size_t length);

/* Lower case hex digits and a terminating zero, cut to `size`. Returns `text`. */
char *output_hex(const void *bytes, size_t length, char *text, size_t size);

/* Nanoseconds in few characters: "450ms", "12.3s", "5m12s", "3h05m", "2d07h". Returns `text`. */
#define OUTPUT_DURATION_MAX 24
char *output_duration(uint64_t ns, char text[OUTPUT_DURATION_MAX]);

#endif
