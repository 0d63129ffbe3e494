// SPDX-License-Identifier: BSD-2-Clause
/* Text from strangers, made safe for a terminal. */
#include "output.h"

/* What turns the direction of writing, and so hides what is written (Unicode's Bidi_Control). */
static bool changes_direction(uint32_t code)
{
	return code == 0x61c || code == 0x200e || code == 0x200f ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

size_t output_character(const void *text, size_t length, uint32_t *code)
{
	const uint8_t *at = text;
	size_t more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : 1;

	*code = at[0];
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4 || more >= length)
		return 0;
	*code = at[0] & (0x3f >> more);
	for (size_t i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (at[i] & 0x3f);
	}
	if ((more == 2 && *code < 0x800) || (more == 3 && *code < 0x10000) ||
	    (*code >= 0xd800 && *code < 0xe000) || *code > 0x10ffff)
		return 0;
	return more + 1;
}

bool output_is_harmless(uint32_t code)
{
	return code >= 0x20 && !(code >= 0x7f && code < 0xa0) && !changes_direction(code);
}

int output_safe(FILE *to, const char *text, size_t length)
{
	int columns = 0;

	for (size_t at = 0; at < length;) {
		uint32_t code;
		size_t taken = output_character(text + at, length - at, &code);

		if (taken && output_is_harmless(code)) {
			fwrite(text + at, 1, taken, to);
			columns++;
			at += taken;
		} else {
			columns += fprintf(to, "\\x%02x", (uint8_t)text[at]);
			at++;
		}
	}
	return columns;
}

char *output_hex(const void *bytes, size_t length, char *text, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;
	size_t at = 0;

	for (size_t i = 0; i < length && at + 2 < size; i++) {
		text[at++] = digits[from[i] >> 4];
		text[at++] = digits[from[i] & 15];
	}
	text[at] = 0;
	return text;
}
