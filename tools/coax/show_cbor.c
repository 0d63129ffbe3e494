// SPDX-License-Identifier: BSD-2-Clause
/*
 * CBOR in diagnostic notation (RFC 8949 section 8), item by item as libcbor's stream decoder finds
 * them: nothing is allocated for what lengths promise, and the depth is limited.
 */
#include <cbor.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "output.h"
#include "show.h"

#define DEPTH_MAX   128
#define COLUMNS_MAX 78
/* Containers nested deeper are not broken into lines, however long those get. */
#define BREAKS_MAX 6
#define INDENT	   2

enum level_kind {
	LEVEL_ARRAY,
	LEVEL_MAP,
	LEVEL_TAG,
	LEVEL_BYTES, /* of indefinite length: its chunks */
	LEVEL_TEXT,
};

struct level {
	enum level_kind kind;
	bool indefinite;
	uint64_t left;	/* items that belong to it and have not come */
	uint64_t count; /* those that have */
};

struct printer {
	FILE *to;
	size_t breaks; /* containers less deep than this have a line for each element */
	size_t depth;
	size_t rest; /* bytes of input behind this item: no container has more items */
	bool bad;
	struct level levels[DEPTH_MAX];
};

static struct level *innermost(struct printer *p)
{
	return p->depth ? &p->levels[p->depth - 1] : NULL;
}

static bool is_container(const struct level *level)
{
	return level->kind == LEVEL_ARRAY || level->kind == LEVEL_MAP;
}

static void new_line(struct printer *p, size_t depth)
{
	fprintf(p->to, "\n%*s", (int)depth * INDENT, "");
}

/* What goes in front of an item: how it is told from the one before. */
static void begin_item(struct printer *p)
{
	struct level *level = innermost(p);
	bool broken;

	if (!level)
		return;
	broken = is_container(level) && p->depth <= p->breaks;
	if (!is_container(level) && level->indefinite && !level->count)
		fputs("(_", p->to);
	if (level->kind == LEVEL_MAP && level->count % 2) {
		fputs(": ", p->to);
		return;
	}
	if (level->count)
		fputs(broken ? "," : ", ", p->to);
	if (broken)
		new_line(p, p->depth);
	else if (!level->count && level->indefinite)
		fputc(' ', p->to);
}

static void close_level(struct printer *p)
{
	static const char ends[] = "]})))";
	struct level *level = innermost(p);

	/* "(_ )" would not say of which kind. */
	if (!level->count && (level->kind == LEVEL_BYTES || level->kind == LEVEL_TEXT)) {
		p->depth--;
		fputs(level->kind == LEVEL_BYTES ? "''_" : "\"\"_", p->to);
		return;
	}
	if (is_container(level) && level->count && p->depth <= p->breaks)
		new_line(p, p->depth - 1);
	p->depth--;
	fputc(ends[level->kind], p->to);
}

/* An item is complete, and with it perhaps those that it is in. */
static void end_item(struct printer *p)
{
	struct level *level;

	while ((level = innermost(p))) {
		level->count++;
		if (level->indefinite || --level->left)
			return;
		close_level(p);
	}
}

/* Chunks of a string of indefinite length are strings of its kind, and nothing else. */
static bool fits(struct printer *p, bool string, enum level_kind kind)
{
	const struct level *level = innermost(p);

	if (level && (level->kind == LEVEL_BYTES || level->kind == LEVEL_TEXT) &&
	    (!string || level->kind != kind))
		p->bad = true;
	return !p->bad;
}

static void open_level(struct printer *p, enum level_kind kind, bool indefinite, uint64_t left,
		       const char *begin)
{
	if (p->depth == DEPTH_MAX || (!indefinite && left > p->rest)) {
		p->bad = true;
		return;
	}
	begin_item(p);
	fputs(begin, p->to);
	p->levels[p->depth++] =
		(struct level){.kind = kind, .indefinite = indefinite, .left = left};
	if (!indefinite && !left) {
		close_level(p);
		end_item(p);
	}
}

__attribute__((format(printf, 2, 3))) static void put_item(struct printer *p, const char *format,
							   ...)
{
	va_list arguments;

	if (!fits(p, false, LEVEL_TEXT))
		return;
	begin_item(p);
	va_start(arguments, format);
	vfprintf(p->to, format, arguments);
	va_end(arguments);
	end_item(p);
}

static void put_unsigned(void *arg, uint64_t value)
{
	put_item(arg, "%" PRIu64, value);
}

/* `value` n stands for -1 - n. */
static void put_negative(void *arg, uint64_t value)
{
	if (value == UINT64_MAX)
		put_item(arg, "-18446744073709551616");
	else
		put_item(arg, "-%" PRIu64, value + 1);
}

static void on_uint8(void *arg, uint8_t value)
{
	put_unsigned(arg, value);
}

static void on_uint16(void *arg, uint16_t value)
{
	put_unsigned(arg, value);
}

static void on_uint32(void *arg, uint32_t value)
{
	put_unsigned(arg, value);
}

static void on_negint8(void *arg, uint8_t value)
{
	put_negative(arg, value);
}

static void on_negint16(void *arg, uint16_t value)
{
	put_negative(arg, value);
}

static void on_negint32(void *arg, uint32_t value)
{
	put_negative(arg, value);
}

/* In as few digits as give the same number back. */
static int digits_of(double value, int *exponent)
{
	char text[40];
	int digits = 0;

	do {
		snprintf(text, sizeof(text), "%.*e", digits, value);
	} while (++digits < 17 && strtod(text, NULL) != value);
	*exponent = atoi(strchr(text, 'e') + 1);
	return digits;
}

/* As the examples of RFC 8949 appendix A have them: always with a point, 1.0e+300. */
static void put_double(void *arg, double value)
{
	struct printer *p = arg;
	int digits, exponent;
	char text[40], *power;

	if (isnan(value)) {
		put_item(p, "NaN");
		return;
	}
	if (isinf(value)) {
		put_item(p, value < 0 ? "-Infinity" : "Infinity");
		return;
	}
	digits = digits_of(value, &exponent);
	if (exponent >= -7 && exponent <= 20) {
		put_item(p, "%.*f", digits - 1 - exponent > 1 ? digits - 1 - exponent : 1, value);
		return;
	}
	snprintf(text, sizeof(text), "%.*e", digits > 1 ? digits - 1 : 1, value);
	power = strchr(text, 'e');
	*power = '\0';
	put_item(p, "%se%+d", text, exponent);
}

static void on_float(void *arg, float value)
{
	put_double(arg, value);
}

static void put_bytes(FILE *to, const uint8_t *bytes, size_t length)
{
	fputs("h'", to);
	for (size_t i = 0; i < length; i++)
		fprintf(to, "%02x", bytes[i]);
	fputc('\'', to);
}

/* Returns how many bytes were taken. */
static size_t put_character(FILE *to, const uint8_t *bytes, size_t length)
{
	uint32_t code;
	size_t taken = output_character(bytes, length, &code);

	if (!taken) {
		fprintf(to, "\\x%02x", bytes[0]);
		return 1;
	}
	if (code == '"' || code == '\\')
		fprintf(to, "\\%c", (char)code);
	else if (code == '\n')
		fputs("\\n", to);
	else if (!output_is_harmless(code))
		fprintf(to, "\\u%04x", code);
	else
		fwrite(bytes, 1, taken, to);
	return taken;
}

static void put_string(FILE *to, const uint8_t *text, size_t length)
{
	fputc('"', to);
	for (size_t at = 0; at < length;)
		at += put_character(to, text + at, length - at);
	fputc('"', to);
}

static void on_bytes(void *arg, cbor_data data, size_t length)
{
	struct printer *p = arg;

	if (!fits(p, true, LEVEL_BYTES))
		return;
	begin_item(p);
	put_bytes(p->to, data, length);
	end_item(p);
}

static void on_string(void *arg, cbor_data data, size_t length)
{
	struct printer *p = arg;

	if (!fits(p, true, LEVEL_TEXT))
		return;
	begin_item(p);
	put_string(p->to, data, length);
	end_item(p);
}

static void on_bytes_start(void *arg)
{
	if (fits(arg, false, LEVEL_BYTES))
		open_level(arg, LEVEL_BYTES, true, 0, "");
}

static void on_string_start(void *arg)
{
	if (fits(arg, false, LEVEL_TEXT))
		open_level(arg, LEVEL_TEXT, true, 0, "");
}

static void on_array(void *arg, size_t count)
{
	if (fits(arg, false, LEVEL_ARRAY))
		open_level(arg, LEVEL_ARRAY, false, count, "[");
}

static void on_indefinite_array(void *arg)
{
	if (fits(arg, false, LEVEL_ARRAY))
		open_level(arg, LEVEL_ARRAY, true, 0, "[_");
}

static void on_map(void *arg, size_t pairs)
{
	if (pairs > SIZE_MAX / 2)
		((struct printer *)arg)->bad = true;
	else if (fits(arg, false, LEVEL_MAP))
		open_level(arg, LEVEL_MAP, false, (uint64_t)pairs * 2, "{");
}

static void on_indefinite_map(void *arg)
{
	if (fits(arg, false, LEVEL_MAP))
		open_level(arg, LEVEL_MAP, true, 0, "{_");
}

static void on_tag(void *arg, uint64_t number)
{
	char begin[32];

	snprintf(begin, sizeof(begin), "%" PRIu64 "(", number);
	if (fits(arg, false, LEVEL_TAG))
		open_level(arg, LEVEL_TAG, false, 1, begin);
}

static void on_break(void *arg)
{
	struct printer *p = arg;
	struct level *level = innermost(p);

	if (!level || !level->indefinite || (level->kind == LEVEL_MAP && level->count % 2)) {
		p->bad = true;
		return;
	}
	close_level(p);
	end_item(p);
}

static void on_null(void *arg)
{
	put_item(arg, "null");
}

static void on_undefined(void *arg)
{
	put_item(arg, "undefined");
}

static void on_boolean(void *arg, bool value)
{
	put_item(arg, value ? "true" : "false");
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = put_unsigned,
	.negint8 = on_negint8,
	.negint16 = on_negint16,
	.negint32 = on_negint32,
	.negint64 = put_negative,
	.byte_string_start = on_bytes_start,
	.byte_string = on_bytes,
	.string = on_string,
	.string_start = on_string_start,
	.indef_array_start = on_indefinite_array,
	.array_start = on_array,
	.indef_map_start = on_indefinite_map,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = put_double,
	.undefined = on_undefined,
	.null = on_null,
	.boolean = on_boolean,
	.indef_break = on_break,
};

/* The simple values that nobody has given a name (section 3.3); libcbor knows none of them. */
static size_t take_simple(struct printer *p, const uint8_t *data, size_t length)
{
	if (data[0] >= 0xe0 && data[0] < 0xf4) {
		put_item(p, "simple(%d)", data[0] - 0xe0);
		return 1;
	}
	if (data[0] != 0xf8 || length < 2 || data[1] < 32)
		return 0;
	put_item(p, "simple(%d)", data[1]);
	return 2;
}

/* One head, with a string what it announces. Returns how many bytes it took, 0: not well-formed. */
static size_t take(struct printer *p, const uint8_t *data, size_t length)
{
	struct cbor_decoder_result result;
	size_t taken = take_simple(p, data, length);

	if (taken)
		return p->bad ? 0 : taken;
	p->rest = length - 1;
	result = cbor_stream_decode(data, length, &callbacks, p);
	return result.status == CBOR_DECODER_FINISHED && !p->bad ? result.read : 0;
}

static bool print(FILE *to, const uint8_t *data, size_t length, bool sequence, size_t breaks)
{
	struct printer printer = {.to = to, .breaks = breaks};
	size_t at = 0, taken;

	while (at < length) {
		taken = take(&printer, data + at, length - at);
		if (!taken)
			return false;
		at += taken;
		if (!printer.depth && at < length) {
			if (!sequence)
				return false;
			fputc('\n', to);
		}
	}
	return !printer.depth;
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");

		if (length > longest)
			longest = length;
		text += length + (text[length] == '\n');
	}
	return longest;
}

/* In as few lines as are not too long. */
static bool show(FILE *to, const void *data, size_t length, bool sequence)
{
	bool good = true, fitting = false;

	for (size_t breaks = 0; good && !fitting; breaks++) {
		char *text = NULL;
		size_t size = 0;
		FILE *stream = open_memstream(&text, &size);

		good = stream && print(stream, data, length, sequence, breaks);
		if (stream && fclose(stream))
			good = false;
		fitting = good && (breaks == BREAKS_MAX || longest_line(text) <= COLUMNS_MAX);
		if (fitting)
			fwrite(text, 1, size, to);
		free(text);
	}
	return good;
}

bool show_cbor(FILE *to, const void *data, size_t length)
{
	return show(to, data, length, false);
}

bool show_cbor_sequence(FILE *to, const void *data, size_t length)
{
	return show(to, data, length, true);
}
