// SPDX-License-Identifier: BSD-2-Clause
#include "show.h"
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>

typedef bool (*show_fn)(FILE *to, const void *data, size_t length);

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);

	return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* By the media type: RFC 6838 section 4.2.8 says what a suffix means. */
static show_fn way_of(int format)
{
	const char *name = format < 0 ? NULL : coax_content_format_name((uint16_t)format);

	if (!name)
		return show_text;
	if (format == COAX_FORMAT_LINK)
		return show_link;
	if (format == COAX_FORMAT_CBOR_SEQ)
		return show_cbor_sequence;
	if (ends_with(name, "/json") || ends_with(name, "+json"))
		return show_json;
	/* RFC 8392 and RFC 8710: these two are CBOR without saying so. */
	if (ends_with(name, "/cbor") || ends_with(name, "+cbor") || ends_with(name, "/cwt") ||
	    ends_with(name, "/multipart-core"))
		return show_cbor;
	if (strncmp(name, "text/", 5) == 0 || ends_with(name, "/xml") || ends_with(name, "+xml") ||
	    format == COAX_FORMAT_OCTET_STREAM)
		return show_text;
	return show_hex;
}

static bool shown(FILE *to, show_fn way, const void *data, size_t length)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	bool good = stream && way(stream, data, length);

	if (stream && fclose(stream))
		good = false;
	if (good) {
		fwrite(text, 1, size, to);
		if (!size || text[size - 1] != '\n')
			fputc('\n', to);
	}
	free(text);
	return good;
}

void show_payload(FILE *to, int format, const void *data, size_t length)
{
	show_fn way = way_of(format);

	if (!length || shown(to, way, data, length))
		return;
	/* What claims to be JSON or links and is not may still be read. */
	if (way != show_cbor && way != show_cbor_sequence && shown(to, show_text, data, length))
		return;
	show_hex(to, data, length);
	fputc('\n', to);
}
