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
