// SPDX-License-Identifier: BSD-2-Clause
/* CoAP Content-Formats: RFC 7252 section 12.3 and the registry that it made. */
#include <coax/option.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "codec/text.h"

/* Those whose media type alone tells them apart. */
static const struct {
	uint16_t number;
	const char *name;
} formats[] = {
	{COAX_FORMAT_TEXT_PLAIN, "text/plain;charset=utf-8"},
	{21, "image/gif"},
	{22, "image/jpeg"},
	{23, "image/png"},
	{COAX_FORMAT_LINK, "application/link-format"},
	{COAX_FORMAT_XML, "application/xml"},
	{COAX_FORMAT_OCTET_STREAM, "application/octet-stream"},
	{COAX_FORMAT_EXI, "application/exi"},
	{COAX_FORMAT_JSON, "application/json"},
	{COAX_FORMAT_JSON_PATCH, "application/json-patch+json"},
	{COAX_FORMAT_MERGE_PATCH, "application/merge-patch+json"},
	{COAX_FORMAT_CBOR, "application/cbor"},
	{61, "application/cwt"},
	{62, "application/multipart-core"},
	{COAX_FORMAT_CBOR_SEQ, "application/cbor-seq"},
	{COAX_FORMAT_SENML_JSON, "application/senml+json"},
	{111, "application/sensml+json"},
	{COAX_FORMAT_SENML_CBOR, "application/senml+cbor"},
	{113, "application/sensml+cbor"},
	{114, "application/senml-exi"},
	{115, "application/sensml-exi"},
	{256, "application/coap-group+json"},
	{257, "application/concise-problem-details+cbor"},
	{310, "application/senml+xml"},
	{311, "application/sensml+xml"},
	{COAX_FORMAT_SENML_ETCH_JSON, "application/senml-etch+json"},
	{COAX_FORMAT_SENML_ETCH_CBOR, "application/senml-etch+cbor"},
	{10000, "application/vnd.ocf+cbor"},
	{10001, "application/oscore"},
	{11542, "application/vnd.oma.lwm2m+tlv"},
	{11543, "application/vnd.oma.lwm2m+json"},
	{11544, "application/vnd.oma.lwm2m+cbor"},
	{20000, "text/css"},
	{30000, "image/svg+xml"},
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

const char *coax_content_format_name(uint16_t format)
{
	for (size_t i = 0; i < FORMATS; i++) {
		if (formats[i].number == format)
			return formats[i].name;
	}
	return NULL;
}

int coax_content_format_by_name(const char *name)
{
	uint32_t number;

	if (parse_number(name, strlen(name), UINT16_MAX, &number))
		return (int)number;
	for (size_t i = 0; i < FORMATS; i++) {
		if (strcasecmp(formats[i].name, name) == 0)
			return formats[i].number;
	}
	if (strcasecmp(name, "text/plain") == 0)
		return COAX_FORMAT_TEXT_PLAIN;
	return -ENOENT;
}
