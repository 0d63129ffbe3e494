/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON whose strings are kept from the parser. jansson gets to see, in the place of each string, a
 * string that says where it is in the text. So there is no copy of a secret in memory that jansson
 * has given back, no secret in its error messages; and each string has a line.
 */
#ifndef COAX_CREDENTIALS_STRINGS_H
#define COAX_CREDENTIALS_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a string's first quote is, as eight hexadecimal digits. */
#define COAX_STRING_PLACE_DIGITS 8

struct coax_json_text {
	const char *at;
	size_t length; /* below 2^32 */
};

/*
 * Make the text for the parser, to be freed: of *length bytes, not terminated. Returns 0, -ENOMEM,
 * or -EINVAL: *problem says what is wrong at *place. Outside strings there may only be what this
 * format has any use for, null and booleans.
 */
int coax_strings_hide(const struct coax_json_text *text, char **hidden, size_t *length,
		      const char **problem, size_t *place);

/* The place that a string of the hidden text stands for. */
size_t coax_string_place(const char *hidden);

/* In which line a place is, from 1. */
unsigned int coax_string_line(const struct coax_json_text *text, size_t place);

/*
 * The string at `place`, its escapes resolved (RFC 8259 section 7), terminated; to be given back by
 * coax_string_free(). Returns 0, -ENOMEM or -EINVAL (a bad escape, or U+0000).
 */
int coax_string_read(const struct coax_json_text *text, size_t place, char **string);

/* Cleanse and free it. NULL: nothing. */
void coax_string_free(char *string);

#endif
