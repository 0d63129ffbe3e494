// SPDX-License-Identifier: BSD-2-Clause
/* The commands that are one request each: their options and help. */
#include "help.h"
#include "wish.h"

#define OPTIONS_COMMON                                                     \
	WISH_LONG, {"output", required_argument, NULL, 'o'},               \
	{                                                                  \
		"no-response", required_argument, NULL, OPTION_NO_RESPONSE \
	}
#define OPTIONS_PAYLOAD                                                                    \
	{"payload", required_argument, NULL, 'p'}, {"file", required_argument, NULL, 'f'}, \
	{                                                                                  \
		"content-format", required_argument, NULL, OPTION_CONTENT_FORMAT           \
	}
#define OPTION_ROW_ACCEPT                                        \
	{                                                        \
		"accept", required_argument, NULL, OPTION_ACCEPT \
	}
#define OPTION_ROW_ETAG                                      \
	{                                                    \
		"etag", required_argument, NULL, OPTION_ETAG \
	}
#define OPTION_ROW_IF_MATCH                                          \
	{                                                            \
		"if-match", required_argument, NULL, OPTION_IF_MATCH \
	}
#define OPTION_ROW_IF_NONE_MATCH                                         \
	{                                                                \
		"if-none-match", no_argument, NULL, OPTION_IF_NONE_MATCH \
	}
#define OPTIONS_END              \
	{                        \
		NULL, 0, NULL, 0 \
	}

static const struct option get_options[] = {OPTIONS_COMMON, OPTION_ROW_ACCEPT, OPTION_ROW_ETAG,
					    OPTIONS_END};
static const struct option fetch_options[] = {OPTIONS_COMMON, OPTIONS_PAYLOAD, OPTION_ROW_ACCEPT,
					      OPTION_ROW_ETAG, OPTIONS_END};
static const struct option change_options[] = {OPTIONS_COMMON,		 OPTIONS_PAYLOAD,
					       OPTION_ROW_ACCEPT,	 OPTION_ROW_IF_MATCH,
					       OPTION_ROW_IF_NONE_MATCH, OPTIONS_END};
static const struct option delete_options[] = {OPTIONS_COMMON, OPTION_ROW_IF_MATCH, OPTIONS_END};

static int run(struct tool *tool, const struct command *command, uint8_t code, const char *letters,
	       const struct option *options, int argc, char **argv)
{
	struct wish wish;
	int status;

	if (!wish_parse(&wish, tool, command, letters, options, argc, argv, &status))
		return status;
	return wish_fulfil(&wish, tool, code);
}

static int run_get(struct tool *tool, int argc, char **argv)
{
	return run(tool, &request_get, COAX_GET, WISH_SHORT "o:", get_options, argc, argv);
}

static int run_fetch(struct tool *tool, int argc, char **argv)
{
	return run(tool, &request_fetch, COAX_FETCH, WISH_SHORT "o:p:f:", fetch_options, argc,
		   argv);
}

static int run_delete(struct tool *tool, int argc, char **argv)
{
	return run(tool, &request_delete, COAX_DELETE, WISH_SHORT "o:", delete_options, argc, argv);
}

static int run_change(struct tool *tool, const struct command *command, uint8_t code, int argc,
		      char **argv)
{
	return run(tool, command, code, WISH_SHORT "o:p:f:", change_options, argc, argv);
}

static int run_put(struct tool *tool, int argc, char **argv)
{
	return run_change(tool, &request_put, COAX_PUT, argc, argv);
}

static int run_post(struct tool *tool, int argc, char **argv)
{
	return run_change(tool, &request_post, COAX_POST, argc, argv);
}

static int run_patch(struct tool *tool, int argc, char **argv)
{
	return run_change(tool, &request_patch, COAX_PATCH, argc, argv);
}

static int run_ipatch(struct tool *tool, int argc, char **argv)
{
	return run_change(tool, &request_ipatch, COAX_IPATCH, argc, argv);
}

#define COMMON_HELP                                                                                                    \
	HELP_REQUEST HELP_SECURITY                                                                                     \
		"      --no-response WHAT do not have the server send responses of these classes\n"                    \
		"                         (RFC 7967): all, none, 2.xx,5.xx, or a number; when nothing\n"               \
		"                         comes within 5 s (or --timeout) that is success\n"                           \
		"  -j, --json             print the whole response as JSON: code, name, class, type,\n"                \
		"                         options, payload (payload_hex if not UTF-8), remote, time_ms\n" HELP_VERBOSE \
			HELP_END HELP_FAILURE

#define OUTPUT_HELP                                                                                \
	"  -o, --output FILE      write the response's payload to FILE: it appears, or replaces\n" \
	"                         the former one, when all is there; - is standard output, 2.03\n" \
	"                         leaves FILE alone\n"
#define ETAG_HELP                                                                                \
	"      --etag HEX         the representation with this ETag is known here: the server\n" \
	"                         may answer 2.03 Valid. May be repeated\n"
#define IF_MATCH_HELP                                                                           \
	"      --if-match HEX     only if the target has this ETag; \"\": only if it exists.\n" \
	"                         May be repeated: one of them\n"
#define IF_NONE_MATCH_HELP "      --if-none-match    only if the target does not exist\n"
#define PAYLOAD_HELP                                                                 \
	"  -p, --payload TEXT     send TEXT\n"                                       \
	"  -f, --file FILE        send the bytes of FILE; - is standard input\n"     \
	"      --content-format FORMAT\n"                                            \
	"                         what they are: a name such as application/json,\n" \
	"                         or a number\n"
#define CHANGE_HELP                                                                        \
	"Options:\n" PAYLOAD_HELP IF_MATCH_HELP IF_NONE_MATCH_HELP HELP_ACCEPT OUTPUT_HELP \
		COMMON_HELP TOOL_EXIT_HELP "\n"

const struct command request_get = {
	.name = "get",
	.summary = "fetch a representation",
	.run = run_get,
	.help = "Usage: coax get [OPTIONS] URI\n"
		"\n"
		"GET a resource and write its representation to standard output.\n" HELP_SHOWN "\n"
		"Options:\n" OUTPUT_HELP HELP_ACCEPT ETAG_HELP COMMON_HELP TOOL_EXIT_HELP "\n"
		"Examples:\n"
		"  coax get coap://localhost/time\n"
		"  coax get 'coap://[2001:db8::1]:5683/sensors?unit=C' --accept application/json\n"
		"  coax get coap://192.0.2.1/firmware.bin -o firmware.bin --block-size 256\n",
};

const struct command request_put = {
	.name = "put",
	.summary = "create or replace a resource",
	.run = run_put,
	.help = "Usage: coax put [OPTIONS] URI\n"
		"\n"
		"PUT a representation: the resource is created or replaced. Without -p and -f it\n"
		"is empty.\n"
		"\n" CHANGE_HELP "Examples:\n"
		"  coax put coap://localhost/lamp -p on\n"
		"  coax put coap://localhost/config.json -f config.json --content-format application/json\n"
		"  date | coax put coap://localhost/date -f - --if-none-match\n",
};

const struct command request_post = {
	.name = "post",
	.summary = "have a resource process a payload",
	.run = run_post,
	.help = "Usage: coax post [OPTIONS] URI\n"
		"\n"
		"POST a payload for the resource to process. When that creates another resource\n"
		"(2.01), its location is said on stderr.\n"
		"\n" CHANGE_HELP "Examples:\n"
		"  coax post coap://localhost/log -p 'door open'\n"
		"  coax post coap://localhost/jobs -f job.cbor --content-format application/cbor\n",
};

const struct command request_delete = {
	.name = "delete",
	.summary = "delete a resource",
	.run = run_delete,
	.help = "Usage: coax delete [OPTIONS] URI\n"
		"\n"
		"DELETE a resource.\n"
		"\n"
		"Options:\n" IF_MATCH_HELP OUTPUT_HELP COMMON_HELP TOOL_EXIT_HELP "\n"
		"Examples:\n"
		"  coax delete coap://localhost/lamp\n"
		"  coax delete coap://localhost/config.json --if-match 5a31c0ff\n",
};

const struct command request_fetch = {
	.name = "fetch",
	.summary = "fetch what a payload asks for",
	.run = run_fetch,
	.help = "Usage: coax fetch [OPTIONS] URI\n"
		"\n"
		"FETCH the part of a resource that the payload asks for (RFC 8132 section 2), and\n"
		"write it to standard output.\n" HELP_SHOWN "\n"
		"Options:\n" PAYLOAD_HELP HELP_ACCEPT ETAG_HELP OUTPUT_HELP COMMON_HELP
			TOOL_EXIT_HELP "\n"
		"Examples:\n"
		"  coax fetch coap://localhost/sensors -f names.json \\\n"
		"       --content-format application/senml-etch+json\n",
};

const struct command request_patch = {
	.name = "patch",
	.summary = "change parts of a resource",
	.run = run_patch,
	.help = "Usage: coax patch [OPTIONS] URI\n"
		"\n"
		"PATCH a resource: the payload says what is to change (RFC 8132 section 3).\n"
		"\n" CHANGE_HELP "Examples:\n"
		"  coax patch coap://localhost/config -f change.json \\\n"
		"       --content-format application/json-patch+json\n",
};

const struct command request_ipatch = {
	.name = "ipatch",
	.summary = "the same, for changes that may be made twice",
	.run = run_ipatch,
	.help = "Usage: coax ipatch [OPTIONS] URI\n"
		"\n"
		"iPATCH a resource: the payload says what is to change, and to do it again changes\n"
		"no more (RFC 8132 section 3).\n"
		"\n" CHANGE_HELP "Examples:\n"
		"  coax ipatch coap://localhost/config -p '{\"interval\":5}' \\\n"
		"       --content-format application/merge-patch+json\n",
};
