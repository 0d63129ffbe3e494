// SPDX-License-Identifier: BSD-2-Clause
/* coax get, put, post, delete: their options and help. */
#include "wish.h"

static const struct option get_options[] = {
	TOOL_LONG,
	{"output", required_argument, NULL, 'o'},
	{"accept", required_argument, NULL, OPTION_ACCEPT},
	{"etag", required_argument, NULL, OPTION_ETAG},
	{"non", no_argument, NULL, OPTION_NON},
	{"timeout", required_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

static const struct option change_options[] = {
	TOOL_LONG,
	{"output", required_argument, NULL, 'o'},
	{"payload", required_argument, NULL, 'p'},
	{"file", required_argument, NULL, 'f'},
	{"content-format", required_argument, NULL, OPTION_CONTENT_FORMAT},
	{"accept", required_argument, NULL, OPTION_ACCEPT},
	{"if-match", required_argument, NULL, OPTION_IF_MATCH},
	{"if-none-match", no_argument, NULL, OPTION_IF_NONE_MATCH},
	{"non", no_argument, NULL, OPTION_NON},
	{"timeout", required_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

static const struct option delete_options[] = {
	TOOL_LONG,
	{"output", required_argument, NULL, 'o'},
	{"if-match", required_argument, NULL, OPTION_IF_MATCH},
	{"non", no_argument, NULL, OPTION_NON},
	{"timeout", required_argument, NULL, 't'},
	{NULL, 0, NULL, 0},
};

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
	return run(tool, &request_get, COAX_GET, TOOL_SHORT "t:o:", get_options, argc, argv);
}

static int run_put(struct tool *tool, int argc, char **argv)
{
	return run(tool, &request_put, COAX_PUT, TOOL_SHORT "t:o:p:f:", change_options, argc, argv);
}

static int run_post(struct tool *tool, int argc, char **argv)
{
	return run(tool, &request_post, COAX_POST, TOOL_SHORT "t:o:p:f:", change_options, argc,
		   argv);
}

static int run_delete(struct tool *tool, int argc, char **argv)
{
	return run(tool, &request_delete, COAX_DELETE, TOOL_SHORT "t:o:", delete_options, argc,
		   argv);
}

#define COMMON_HELP                                                                               \
	"      --non              send the request as non-confirmable\n"                          \
	"  -t, --timeout SECONDS  give up after so long, fractions allowed; without it after\n"   \
	"                         93 s without a sign of life (RFC 7252 section 4.8.2)\n"         \
	"  -j, --json             print the whole response as JSON: code, name, class, type,\n"   \
	"                         options, payload (payload_hex if not UTF-8), remote, time_ms\n" \
	"  -v, --verbose          show the messages on stderr\n"                                  \
	"  -h, --help             this text\n"                                                    \
	"\n"                                                                                      \
	"A failure is said on stderr, with the server's diagnostic message.\n"                    \
	"\n"

#define OUTPUT_HELP                                                                                  \
	"  -o, --output FILE      write the response's payload to FILE, on success; - is standard\n" \
	"                         output, 2.03 leaves FILE alone\n"
#define ACCEPT_HELP "      --accept FORMAT    ask for a content format (name or number)\n"
#define ETAG_HELP                                                                                \
	"      --etag HEX         the representation with this ETag is known here: the server\n" \
	"                         may answer 2.03 Valid. May be repeated\n"
#define IF_MATCH_HELP                                                                           \
	"      --if-match HEX     only if the target has this ETag; \"\": only if it exists.\n" \
	"                         May be repeated: one of them\n"
#define PAYLOAD_HELP                                                                                  \
	"  -p, --payload TEXT     send TEXT\n"                                                        \
	"  -f, --file FILE        send the bytes of FILE; - is standard input\n"                      \
	"                         (1024 bytes at most: block-wise transfer is not in this version)\n" \
	"      --content-format FORMAT\n"                                                             \
	"                         what the payload is: a name such as application/json,\n"            \
	"                         or a number\n"

const struct command request_get = {
	.name = "get",
	.summary = "fetch a representation",
	.run = run_get,
	.help = "Usage: coax get [OPTIONS] URI\n"
		"\n"
		"GET a resource and write its representation to standard output, byte by byte\n"
		"(on a terminal with a final newline).\n"
		"\n"
		"Options:\n" OUTPUT_HELP ACCEPT_HELP ETAG_HELP COMMON_HELP TOOL_EXIT_HELP "\n"
		"Examples:\n"
		"  coax get coap://localhost/time\n"
		"  coax get 'coap://[2001:db8::1]:5683/sensors?unit=C' --accept application/json\n"
		"  coax get coap://192.0.2.1/firmware.json -o manifest.json --timeout 5\n",
};

const struct command request_put = {
	.name = "put",
	.summary = "create or replace a resource",
	.run = run_put,
	.help = "Usage: coax put [OPTIONS] URI\n"
		"\n"
		"PUT a representation: the resource is created or replaced. Without -p and -f it\n"
		"is empty.\n"
		"\n"
		"Options:\n" PAYLOAD_HELP IF_MATCH_HELP
		"      --if-none-match    only if the target does not exist\n" ACCEPT_HELP
			OUTPUT_HELP COMMON_HELP TOOL_EXIT_HELP "\n"
		"Examples:\n"
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
		"\n"
		"Options:\n" PAYLOAD_HELP IF_MATCH_HELP
		"      --if-none-match    only if the target does not exist\n" ACCEPT_HELP
			OUTPUT_HELP COMMON_HELP TOOL_EXIT_HELP "\n"
		"Examples:\n"
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
