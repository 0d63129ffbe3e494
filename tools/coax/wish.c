// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include <coax/option.h>
#include "wish.h"

static int parse_format(const struct tool *tool, const char *option, const char *text, int *format)
{
	*format = coax_content_format_by_name(text);
	if (*format < 0)
		return tool_fail(tool,
				 "%s \"%s\": give a media type such as application/json, or its "
				 "number from 0 to 65535",
				 option, text);
	return 0;
}

static int parse_etag(const struct tool *tool, const char *option, const char *text, size_t min,
		      struct etag *etags, size_t *count)
{
	struct etag *etag = &etags[*count];

	if (*count == ETAGS_MAX)
		return tool_fail(tool, "%s is given more than %d times", option, ETAGS_MAX);
	if (tool_parse_hex(tool, option, text, etag->bytes, ETAG_MAX, &etag->length))
		return TOOL_LOCAL_ERROR;
	if (etag->length < min)
		return tool_fail(tool, "%s \"\": an ETag has 1 to %d bytes", option, ETAG_MAX);
	(*count)++;
	return 0;
}

static bool parse_option(struct tool *tool, const struct command *command, struct wish *wish,
			 int option, char **argv, int *status)
{
	switch (option) {
	case 'o':
		wish->output_file = strcmp(optarg, "-") ? optarg : NULL;
		return true;
	case 'p':
		wish->payload_text = optarg;
		return true;
	case 'f':
		wish->payload_file = optarg;
		return true;
	case OPTION_IF_NONE_MATCH:
		wish->if_none_match = true;
		return true;
	case OPTION_NON:
		wish->how.non_confirmable = true;
		return true;
	case OPTION_CONTENT_FORMAT:
		*status = parse_format(tool, "--content-format", optarg, &wish->content_format);
		break;
	case OPTION_ACCEPT:
		*status = parse_format(tool, "--accept", optarg, &wish->accept);
		break;
	case OPTION_ETAG:
		*status = parse_etag(tool, "--etag", optarg, 1, wish->etags, &wish->etag_count);
		break;
	case OPTION_IF_MATCH:
		*status = parse_etag(tool, "--if-match", optarg, 0, wish->matches,
				     &wish->match_count);
		break;
	case 't':
		*status =
			tool_parse_seconds(tool, "--timeout", optarg, false, &wish->how.timeout_ms);
		break;
	default:
		return tool_option(tool, command, option, argv, status);
	}
	return *status == 0;
}

bool wish_parse(struct wish *wish, struct tool *tool, const struct command *command,
		const char *letters, const struct option *options, int argc, char **argv,
		int *status)
{
	int option;

	*wish = (struct wish){.content_format = -1, .accept = -1};
	*status = TOOL_OK;
	while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (!parse_option(tool, command, wish, option, argv, status))
			return false;
	}
	*status = TOOL_LOCAL_ERROR;
	if (argc - optind != 1) {
		tool_fail(tool, "give one URI, such as coap://host/path (see coax %s --help)",
			  tool->command);
		return false;
	}
	if (wish->payload_text && wish->payload_file) {
		tool_fail(tool, "give --payload or --file, not both");
		return false;
	}
	wish->uri = argv[optind];
	*status = TOOL_OK;
	return true;
}
