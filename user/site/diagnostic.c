// SPDX-License-Identifier: BSD-2-Clause
#include <stdbool.h>
#include <stdint.h>
#include "site/diagnostic.h"

/* What follows a character's first byte: how many, and which the second may be (RFC 3629). */
struct sequence {
	unsigned int follow;
	uint8_t second_min;
	uint8_t second_max;
};

/* Returns false for a byte that begins no character. */
static bool begin_sequence(uint8_t first, struct sequence *sequence)
{
	sequence->second_min = 0x80;
	sequence->second_max = 0xbf;
	if (first < 0x80) {
		sequence->follow = 0;
		return first >= 0x20 && first != 0x7f;
	}
	if (first < 0xc2 || first > 0xf4)
		return false;
	sequence->follow = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	if (first == 0xe0)
		sequence->second_min = 0xa0;
	if (first == 0xed)
		sequence->second_max = 0x9f;
	if (first == 0xf0)
		sequence->second_min = 0x90;
	if (first == 0xf4)
		sequence->second_max = 0x8f;
	return true;
}

/*
 * Count the bytes of the character at `text`: 0 if there is none. *cut is set when all that is
 * wrong is that the text ends.
 */
static size_t character_length(const uint8_t *text, size_t length, bool *cut)
{
	struct sequence sequence;

	*cut = false;
	if (!begin_sequence(text[0], &sequence))
		return 0;
	for (unsigned int i = 1; i <= sequence.follow; i++) {
		if (i == length) {
			*cut = true;
			return 0;
		}
		if (i == 1 && (text[1] < sequence.second_min || text[1] > sequence.second_max))
			return 0;
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return sequence.follow + 1;
}

size_t coax_diagnostic_clean(char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		bool cut;
		size_t step = character_length((const uint8_t *)text + at, length - at, &cut);

		if (cut)
			return at;
		if (step == 0)
			text[at] = '?';
		at += step ? step : 1;
	}
	return length;
}
