// SPDX-License-Identifier: BSD-2-Clause
/* coax cache: the replies that are published for the kernel. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <coax/option.h>
#include "control.h"
#include "entries.h"
#include "output.h"

static const char *const state_names[] = {"valid", "withdrawn", "expired", "being written"};

/* The options that tell requests for one URI apart, behind a gap: "ETag:0a1b Accept:50". */
static void print_request_options(const struct entry *entry, int gap)
{
	uint8_t buffer[COAX_HEADER_SIZE + COAX_KEY_MAX];
	struct coax_message request;
	struct coax_option_iterator it;
	struct coax_option option;

	if (!entry_request(entry, &request, buffer))
		return;
	it = coax_options_begin(&request);
	while (coax_options_next(&it, &option)) {
		const struct coax_option_info *info = coax_option_info(option.number);
		char hex[COAX_KEY_MAX * 2 + 1];

		if (option.number == COAX_URI_PATH || option.number == COAX_URI_QUERY)
			continue;
		if (info)
			printf("%*s%s:", gap, "", info->name);
		else
			printf("%*s%u:", gap, "", option.number);
		gap = 1;
		if (info && info->format == COAX_OPTION_UINT)
			printf("%" PRIu32, coax_option_uint(&option));
		else if (info && info->format == COAX_OPTION_STRING)
			output_safe(stdout, (const char *)option.value, option.length);
		else
			fputs(output_hex(option.value, option.length, hex, sizeof(hex)), stdout);
	}
}

static void print_entry(const struct entry *entry, uint64_t now, int width)
{
	char etag[17] = "-", age[OUTPUT_DURATION_MAX] = "-", size[12] = "-", code[8] = "-";
	int columns;

	if (entry->has_reply) {
		snprintf(code, sizeof(code), "%d.%02d", COAX_CODE_CLASS(entry->code),
			 COAX_CODE_DETAIL(entry->code));
		snprintf(size, sizeof(size), "%zu", entry->size);
	}
	if (entry->etag_length)
		output_hex(entry->etag, entry->etag_length, etag, sizeof(etag));
	if (entry->published && entry->published <= now)
		output_duration(now - entry->published, age);
	output_safe(stdout, entry->method, strlen(entry->method));
	printf("%*s", (int)(8 - strlen(entry->method)), "");
	columns = output_safe(stdout, entry->uri, strlen(entry->uri));
	printf("%*s  %-5s %5s  %-16s  %7s  %-13s  %s", columns < width ? width - columns : 0, "",
	       code, size, etag, age, state_names[entry->state], entry->used ? "yes" : "no");
	print_request_options(entry, entry->used ? 3 : 4);
	putchar('\n');
}

/* Longer ones do not push the columns of all others to the right. */
#define URI_COLUMNS_MAX 40

static int show_text(const struct entries *entries, uint64_t now)
{
	int width = 4;

	for (size_t i = 0; i < entries->count; i++) {
		size_t length = strlen(entries->at[i].uri);

		if (length <= URI_COLUMNS_MAX && (int)length > width)
			width = (int)length;
	}
	printf("%-8s%-*s  %-5s %5s  %-16s  %7s  %-13s  %-4s  %s\n", "METHOD", width, "PATH", "CODE",
	       "SIZE", "ETAG", "AGE", "STATE", "USED", "ASKED WITH");
	for (size_t i = 0; i < entries->count; i++)
		print_entry(&entries->at[i], now, width);
	return TOOL_OK;
}

static json_t *request_json(const struct entry *entry)
{
	uint8_t buffer[COAX_HEADER_SIZE + COAX_KEY_MAX];
	struct coax_message request;

	if (!entry_request(entry, &request, buffer))
		return json_array();
	return output_json_options(&request);
}

static json_t *entry_json(const struct entry *entry, uint64_t now)
{
	json_t *object = json_object();
	char code[8];

	json_object_set_new(object, "method",
			    output_json_text(entry->method, strlen(entry->method)));
	json_object_set_new(object, "path", output_json_text(entry->uri, strlen(entry->uri)));
	json_object_set_new(object, "service", json_integer(entry->key.service));
	json_object_set_new(object, "state", json_string(state_names[entry->state]));
	json_object_set_new(object, "request_options", request_json(entry));
	if (!entry->has_reply)
		return object;
	snprintf(code, sizeof(code), "%d.%02d", COAX_CODE_CLASS(entry->code),
		 COAX_CODE_DETAIL(entry->code));
	json_object_set_new(object, "code", json_string(code));
	json_object_set_new(object, "size", json_integer((json_int_t)entry->size));
	json_object_set_new(object, "reply_bytes", json_integer(entry->reply_length));
	if (entry->etag_length)
		json_object_set_new(object, "etag",
				    output_json_hex(entry->etag, entry->etag_length));
	if (entry->published && entry->published <= now)
		json_object_set_new(object, "age_ms",
				    json_integer((json_int_t)((now - entry->published) / 1000000)));
	if (entry->state == ENTRY_VALID && entry->deadline != COAX_NEVER)
		json_object_set_new(object, "expires_ms",
				    json_integer((json_int_t)((entry->deadline - now) / 1000000)));
	json_object_set_new(object, "used", json_boolean(entry->used));
	return object;
}

static int show_json(const struct tool *tool, const struct entries *entries, uint64_t now)
{
	json_t *array = json_array();

	for (size_t i = 0; i < entries->count; i++)
		json_array_append_new(array, entry_json(&entries->at[i], now));
	return output_json(tool, array, TOOL_OK);
}

static int run_show(const struct tool *tool, const char *name)
{
	struct entries entries = {0};
	struct instance instance;
	uint64_t now = tool_now();
	int status;

	status = instance_open(&instance, tool, name);
	if (!status)
		status = entries_read(&instance, now, &entries);
	if (!status)
		status = tool->json ? show_json(tool, &entries, now) : show_text(&entries, now);
	entries_free(&entries);
	instance_close(&instance);
	return status;
}

/* The daemon knows whose the slots are: it withdraws. */
static int run_flush(const struct tool *tool, const char *name, const char *path)
{
	json_t *object;
	size_t count;
	int status;

	if (path && *path != '/')
		return tool_fail(tool,
				 "PATH begins with a slash, as coax cache shows it, unlike \"%s\"",
				 path);
	status = control_ask(tool, name, "flush", path, &count);
	if (status)
		return status;
	if (!tool->json) {
		printf("%zu %s withdrawn\n", count, count == 1 ? "reply" : "replies");
		return TOOL_OK;
	}
	object = json_object();
	json_object_set_new(object, "withdrawn", json_integer((json_int_t)count));
	return output_json(tool, object, TOOL_OK);
}

static int run_cache(struct tool *tool, int argc, char **argv)
{
	const char *name, *verb;
	int status, left;

	if (!instance_options(tool, &cache_command, argc, argv, &name, &status))
		return status;
	left = argc - optind;
	verb = left ? argv[optind] : "show";
	if (strcmp(verb, "show") == 0 && left < 2)
		return run_show(tool, name);
	if (strcmp(verb, "flush") == 0 && left < 3)
		return run_flush(tool, name, left == 2 ? argv[optind + 1] : NULL);
	return tool_fail(tool,
			 "\"%s\" is too much; it is coax cache show, or coax cache flush [PATH]",
			 argv[argc - 1]);
}

const struct command cache_command = {
	.name = "cache",
	.summary = "the replies that the kernel may send",
	.run = run_cache,
	.help = "Usage: coax cache [show] [OPTIONS]\n"
		"       coax cache flush [PATH] [OPTIONS]\n"
		"\n"
		"show: list the requests that the kernel knows, and the replies that are published for\n"
		"them. Reads the pinned BPF maps, which takes root or CAP_BPF.\n"
		"\n"
		"flush: withdraw the replies for a path, whatever the query, or all: userspace answers,\n"
		"and publishes anew. Asks the daemon, which root and the daemon's user may.\n"
		"\n"
		"  METHOD, PATH  of the request; a long path is cut\n"
		"  CODE, SIZE    of the reply; its payload in bytes\n"
		"  ETAG          of the reply, in hex\n"
		"  AGE           since it was published\n"
		"  STATE         valid: the kernel sends it while it answers (see coax status);\n"
		"                withdrawn: the resource has changed, or is gone; expired: its\n"
		"                lifetime is over; being written\n"
		"  USED          whether the kernel has sent it since eviction last looked\n"
		"  ASKED WITH    the request's other options\n"
		"\n"
		"Options:\n" INSTANCE_HELP
		"  -j, --json           print an array of objects: method, path, service, state,\n"
		"                       request_options, and of a reply code, size, reply_bytes, etag,\n"
		"                       age_ms, expires_ms, used; for flush: withdrawn\n"
		"  -h, --help           this text\n"
		"\n"
		"Exit status:\n"
		"  0  success\n"
		"  1  usage error, no such instance or daemon, or not permitted\n"
		"\n"
		"Examples:\n"
		"  coax cache\n"
		"  coax cache flush /sensors/temperature\n"
		"  coax cache -j | jq '.[] | select(.state == \"valid\").path'\n",
};
