// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "site/pattern.h"

#define PARAMETERS_MAX 64

/*
 * A brace may stand in no URI as it is, so each around the name of a parameter is replaced by its
 * percent-encoding, and any other one makes reading the URI fail.
 */
struct encoder {
	char *at;
	unsigned int count; /* segments */
	uint64_t parameters;
};

static void put(struct encoder *encoder, const char *text, size_t length)
{
	memcpy(encoder->at, text, length);
	encoder->at += length;
}

static int encode_segment(struct encoder *encoder, const char *text, size_t length)
{
	if (length == 0 || text[0] != '{') {
		put(encoder, text, length);
	} else {
		if (length < 3 || text[length - 1] != '}' || encoder->count >= PARAMETERS_MAX)
			return -EINVAL;
		encoder->parameters |= 1ULL << encoder->count;
		put(encoder, "%7B", 3);
		put(encoder, text + 1, length - 2);
		put(encoder, "%7D", 3);
	}
	encoder->count++;
	return 0;
}

static int encode(struct encoder *encoder, const char *text)
{
	if (*text == '/')
		put(encoder, text++, 1);
	if (*text == '\0')
		return 0;
	for (;;) {
		size_t length = strcspn(text, "/");
		int err = encode_segment(encoder, text, length);

		if (err)
			return err;
		text += length;
		if (*text == '\0')
			return 0;
		put(encoder, text++, 1);
	}
}

/* Read a path as a request for it would carry it. */
static int read_path(struct coax_pattern *pattern, const char *text)
{
	uint8_t buffer[COAX_HEADER_SIZE + COAX_SITE_PATH_MAX];
	struct coax_option option;
	struct coax_message m;
	int err;

	err = coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	if (!err)
		err = coax_uri_path_add_options(text, &m);
	if (err || coax_message_find(&m, COAX_URI_QUERY, &option))
		return -EINVAL;
	coax_site_path_read(&pattern->path, &m);
	if (!pattern->path.whole ||
	    coax_uri_compose_path(&m, pattern->target, sizeof(pattern->target)) < 0)
		return -EINVAL;
	return 0;
}

static bool is_repeated(const struct coax_pattern *pattern, unsigned int segment)
{
	const struct coax_site_path *path = &pattern->path;
	const uint8_t *name = path->bytes + path->ends[segment];

	for (unsigned int i = 0; i < segment; i++) {
		const uint8_t *other = path->bytes + path->ends[i];

		if (pattern->parameters & 1ULL << i && *other == *name &&
		    memcmp(other, name, 1u + *name) == 0)
			return true;
	}
	return false;
}

static bool has_repeated(const struct coax_pattern *pattern)
{
	for (unsigned int i = 0; i < PARAMETERS_MAX; i++)
		if (pattern->parameters & 1ULL << i && is_repeated(pattern, i))
			return true;
	return false;
}

int coax_pattern_read(struct coax_pattern *pattern, const char *text)
{
	char *encoded = malloc(3 * strlen(text) + 1);
	struct encoder encoder = {.at = encoded};
	int err;

	if (!encoded)
		return -ENOMEM;
	err = encode(&encoder, text);
	if (err)
		goto out;
	*encoder.at = '\0';
	err = read_path(pattern, encoded);
	if (err)
		goto out;
	pattern->parameters = encoder.parameters;
	/* "." and ".." take segments away: which are parameters is not known any more. */
	if (pattern->parameters && pattern->path.depth != encoder.count)
		err = -EINVAL;
	else if (has_repeated(pattern))
		err = -EINVAL;
out:
	free(encoded);
	return err;
}
