// SPDX-License-Identifier: BSD-2-Clause
/* A hex dump: offset, sixteen bytes, and what of them is ASCII. */
#include <stdint.h>
#include "show.h"

#define ROW 16

static void put_row(FILE *to, size_t offset, const uint8_t *bytes, size_t count)
{
	fprintf(to, "%08zx ", offset);
	for (size_t i = 0; i < ROW; i++) {
		if (i % 8 == 0)
			fputc(' ', to);
		if (i < count)
			fprintf(to, "%02x ", bytes[i]);
		else
			fputs("   ", to);
	}
	fputs(" |", to);
	for (size_t i = 0; i < count; i++)
		fputc(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.', to);
	fputc('|', to);
}

bool show_hex(FILE *to, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	for (size_t at = 0; at < length; at += ROW) {
		if (at)
			fputc('\n', to);
		put_row(to, at, bytes + at, length - at < ROW ? length - at : ROW);
	}
	return true;
}
