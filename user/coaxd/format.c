// SPDX-License-Identifier: BSD-2-Clause
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <coax/option.h>
#include "coaxd/format.h"

/* The first extension of a format is the one that new files get. */
static const struct {
	const char *extension;
	uint16_t format;
} formats[] = {
	{".txt", COAX_FORMAT_TEXT_PLAIN},   {".md", COAX_FORMAT_TEXT_PLAIN},
	{".csv", COAX_FORMAT_TEXT_PLAIN},   {".link", COAX_FORMAT_LINK},
	{".wlnk", COAX_FORMAT_LINK},	    {".xml", COAX_FORMAT_XML},
	{".bin", COAX_FORMAT_OCTET_STREAM}, {".exi", COAX_FORMAT_EXI},
	{".json", COAX_FORMAT_JSON},	    {".cbor", COAX_FORMAT_CBOR},
	{".senml", COAX_FORMAT_SENML_JSON}, {".senmlc", COAX_FORMAT_SENML_CBOR},
};

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

uint16_t coaxd_format_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < FORMAT_COUNT; i++)
		if (strcasecmp(dot, formats[i].extension) == 0)
			return formats[i].format;
	return COAX_FORMAT_OCTET_STREAM;
}

const char *coaxd_format_extension(uint32_t format)
{
	for (size_t i = 0; i < FORMAT_COUNT; i++)
		if (formats[i].format == format)
			return formats[i].extension;
	return NULL;
}
