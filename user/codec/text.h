/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text that is written piece by piece into a buffer of fixed size, numbers, and the character
 * classes of URIs (RFC 3986 section 2, appendix A).
 */
#ifndef COAX_CODEC_TEXT_H
#define COAX_CODEC_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* `length` goes on counting when `size` is used up. Not terminated. */
struct text {
	char *at;
	size_t size;
	size_t length;
};

static inline void text_put(struct text *text, char c)
{
	if (text->length < text->size)
		text->at[text->length] = c;
	text->length++;
}

static inline void text_string(struct text *text, const char *string)
{
	while (*string)
		text_put(text, *string++);
}

/* For pieces of less than 128 bytes. */
static inline void __attribute__((format(printf, 2, 3)))
text_format(struct text *text, const char *format, ...)
{
	char piece[128];
	va_list args;

	va_start(args, format);
	vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	text_string(text, piece);
}

/* For people: spaces are escaped too, so that what is in a text cannot pass for more than it. */
static inline void text_escaped(struct text *text, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length && text->length < text->size; i++) {
		if (bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != '\\')
			text_put(text, (char)bytes[i]);
		else
			text_format(text, "\\x%02x", bytes[i]);
	}
}

static inline void text_percent_encode(struct text *text, unsigned char byte)
{
	static const char digits[] = "0123456789ABCDEF";

	text_put(text, '%');
	text_put(text, digits[byte >> 4]);
	text_put(text, digits[byte & 0x0f]);
}

static inline char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_alpha(char c)
{
	return lower(c) >= 'a' && lower(c) <= 'z';
}

/* Decimal digits, one at least and nothing else, of a number up to `max`. */
static inline bool parse_number(const char *text, size_t length, uint32_t max, uint32_t *number)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length; i++) {
		if (!is_digit(text[i]))
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (value > max)
			return false;
	}
	*number = (uint32_t)value;
	return length > 0;
}

/* Whether `c` is one of `set`; the zero byte never is. */
static inline bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static inline bool is_unreserved(char c)
{
	return is_alpha(c) || is_digit(c) || is_one_of(c, "-._~");
}

static inline bool is_sub_delim(char c)
{
	return is_one_of(c, "!$&'()*+,;=");
}

static inline bool is_path_char(char c)
{
	return is_unreserved(c) || is_sub_delim(c) || is_one_of(c, ":@");
}

static inline bool is_query_char(char c)
{
	return is_path_char(c) || is_one_of(c, "/?");
}

static inline bool is_host_char(char c)
{
	return is_unreserved(c) || is_sub_delim(c);
}

#endif
