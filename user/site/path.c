// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include <coax/option.h>
#include "site/path.h"

#define SEGMENT_MAX 255

void coax_site_path_read(struct coax_site_path *path, const struct coax_message *m)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;
	uint32_t length = 0;

	path->whole = true;
	path->depth = 0;
	path->ends[0] = 0;
	while (coax_options_next(&it, &option) && option.number <= COAX_URI_PATH) {
		if (option.number != COAX_URI_PATH)
			continue;
		if (option.length > SEGMENT_MAX ||
		    length + 1 + option.length > sizeof(path->bytes)) {
			path->whole = false;
			break;
		}
		path->bytes[length++] = (uint8_t)option.length;
		memcpy(path->bytes + length, option.value, option.length);
		length += option.length;
		path->ends[++path->depth] = (uint16_t)length;
	}
	path->length = (uint16_t)length;
}

uint16_t coax_site_path_key(const struct coax_site_path *path, unsigned int depth,
			    uint64_t parameters, uint8_t key[COAX_SITE_PATH_MAX])
{
	uint32_t length = 0, from = 0;

	for (unsigned int i = 0; parameters >> i; i++) {
		if (!(parameters & 1ULL << i))
			continue;
		memcpy(key + length, path->bytes + from, path->ends[i] - from);
		length += path->ends[i] - from;
		key[length++] = 0;
		from = path->ends[i + 1];
		if (i == 63)
			break;
	}
	memcpy(key + length, path->bytes + from, path->ends[depth] - from);
	return (uint16_t)(length + path->ends[depth] - from);
}
