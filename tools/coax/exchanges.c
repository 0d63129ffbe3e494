// SPDX-License-Identifier: BSD-2-Clause
/* coax exchanges: the requests whose duplicates the kernel knows. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/address.h>
#include <coax/message.h>
#include "mapped.h"
#include "maps.h"
#include "output.h"

struct exchanges {
	struct coax_exchange_record *at;
	size_t count;
};

/* What a duplicate would still get. */
static bool is_live(const struct coax_exchange_record *record, uint64_t now)
{
	return record->verdict != COAX_EXCHANGE_NONE && record->expires > now &&
	       record->reply_length <= COAX_REPEAT_MAX;
}

static int compare(const void *a, const void *b)
{
	const struct coax_exchange_record *x = a, *y = b;
	int order = memcmp(x->name.peer, y->name.peer, sizeof(x->name.peer));

	if (!order)
		order = (int)x->name.peer_port - (int)y->name.peer_port;
	return order ? order : (int)x->name.message_id - (int)y->name.message_id;
}

static int read_all(const struct instance *instance, uint64_t now, struct exchanges *exchanges)
{
	const struct coax_exchange_record *records;
	struct coax_exchange_record copy;
	struct map_view view;
	int status = map_view_open(&view, instance, "exchanges", instance->exchanges);

	if (status)
		return status;
	records = view.at;
	for (uint32_t i = 0; i < view.count && !status; i++) {
		if (map_copy(&records[i], &copy, sizeof(copy)) && is_live(&copy, now) &&
		    map_append(&exchanges->at, &exchanges->count, &copy, sizeof(copy)))
			status = tool_fail(instance->tool, "no memory for %zu records",
					   exchanges->count);
	}
	map_view_close(&view);
	if (exchanges->count)
		qsort(exchanges->at, exchanges->count, sizeof(*exchanges->at), compare);
	return status;
}

static const char *endpoint_text(const uint8_t bytes[16], uint16_t port, uint16_t zone,
				 char text[COAX_ADDRESS_TEXT_MAX])
{
	union coax_address address = {.in6 = {.sin6_family = AF_INET6}};

	if (coax_mapped_is_ipv4(bytes)) {
		address.in.sin_family = AF_INET;
		address.in.sin_port = htons(port);
		memcpy(&address.in.sin_addr, bytes + COAX_MAPPED_BYTES, 4);
	} else {
		memcpy(&address.in6.sin6_addr, bytes, 16);
		address.in6.sin6_port = htons(port);
		address.in6.sin6_scope_id =
			IN6_IS_ADDR_LINKLOCAL(&address.in6.sin6_addr) ? zone : 0;
	}
	return coax_address_format(&address, text);
}

static const char *peer_text(const struct coax_exchange_record *record,
			     char text[COAX_ADDRESS_TEXT_MAX])
{
	const struct coax_exchange_name *name = &record->name;

	return endpoint_text(name->peer, name->peer_port, name->zone, text);
}

static const char *local_text(const struct coax_exchange_record *record,
			      char text[COAX_ADDRESS_TEXT_MAX])
{
	const struct coax_exchange_name *name = &record->name;

	return endpoint_text(name->local, name->local_port, name->zone, text);
}

static const char *verdict_text(const struct coax_exchange_record *record)
{
	return record->verdict == COAX_EXCHANGE_HELD ? "held" : "answered";
}

/* "2.04", "empty ACK", or what becomes of a duplicate that gets nothing. */
static const char *reply_text(const struct coax_exchange_record *record, char text[16])
{
	struct coax_message reply;

	if (!record->reply_length)
		return "none";
	if (coax_message_parse(&reply, record->reply, record->reply_length))
		return "?";
	if (coax_message_code(&reply) == COAX_EMPTY)
		return "empty ACK";
	snprintf(text, 16, "%d.%02d", COAX_CODE_CLASS(coax_message_code(&reply)),
		 COAX_CODE_DETAIL(coax_message_code(&reply)));
	return text;
}

static int show_text(const struct exchanges *exchanges, uint64_t now)
{
	char peer[COAX_ADDRESS_TEXT_MAX], local[COAX_ADDRESS_TEXT_MAX];
	char left[OUTPUT_DURATION_MAX], code[16];
	int peers = 4, locals = 5, width;

	for (size_t i = 0; i < exchanges->count; i++) {
		width = (int)strlen(peer_text(&exchanges->at[i], peer));
		peers = width > peers ? width : peers;
		width = (int)strlen(local_text(&exchanges->at[i], local));
		locals = width > locals ? width : locals;
	}
	printf("%-*s  %-*s  %5s  %-8s  %-9s  %5s  %7s\n", peers, "PEER", locals, "LOCAL", "ID",
	       "VERDICT", "REPLY", "BYTES", "LEFT");
	for (size_t i = 0; i < exchanges->count; i++) {
		const struct coax_exchange_record *record = &exchanges->at[i];

		printf("%-*s  %-*s  %5u  %-8s  %-9s  %5u  %7s\n", peers, peer_text(record, peer),
		       locals, local_text(record, local), record->name.message_id,
		       verdict_text(record), reply_text(record, code), record->reply_length,
		       output_duration(record->expires - now, left));
	}
	return TOOL_OK;
}

static json_t *record_json(const struct coax_exchange_record *record, uint64_t now)
{
	char text[COAX_ADDRESS_TEXT_MAX], code[16];
	json_t *object = json_object();

	json_object_set_new(object, "peer", json_string(peer_text(record, text)));
	json_object_set_new(object, "local", json_string(local_text(record, text)));
	json_object_set_new(object, "message_id", json_integer(record->name.message_id));
	json_object_set_new(object, "verdict", json_string(verdict_text(record)));
	json_object_set_new(object, "expires_ms",
			    json_integer((json_int_t)((record->expires - now) / 1000000)));
	if (!record->reply_length)
		return object;
	json_object_set_new(object, "reply", json_string(reply_text(record, code)));
	json_object_set_new(object, "reply_bytes", json_integer(record->reply_length));
	return object;
}

static int show_json(const struct tool *tool, const struct exchanges *exchanges, uint64_t now)
{
	json_t *array = json_array();

	for (size_t i = 0; i < exchanges->count; i++)
		json_array_append_new(array, record_json(&exchanges->at[i], now));
	return output_json(tool, array, TOOL_OK);
}

static int run_exchanges(struct tool *tool, int argc, char **argv)
{
	struct exchanges exchanges = {0};
	struct instance instance;
	uint64_t now = tool_now();
	int status;

	if (!instance_begin(&instance, tool, &exchanges_command, argc, argv, &status))
		return status;
	status = read_all(&instance, now, &exchanges);
	if (!status)
		status = tool->json ? show_json(tool, &exchanges, now) : show_text(&exchanges, now);
	free(exchanges.at);
	instance_close(&instance);
	return status;
}

const struct command exchanges_command = {
	.name = "exchanges",
	.summary = "the requests whose duplicates the kernel knows",
	.run = run_exchanges,
	.help = "Usage: coax exchanges [OPTIONS]\n"
		"\n"
		"List the requests whose duplicates the kernel drops, or answers with the reply\n"
		"that the first one got. Reads the pinned BPF maps, which takes root or CAP_BPF.\n"
		"\n"
		"  PEER, LOCAL  the endpoints; a duplicate comes from the one to the other\n"
		"  ID           the message ID\n"
		"  VERDICT      held: it is being handled; answered\n"
		"  REPLY        what a duplicate gets: the response's code, or \"empty ACK\"; none:\n"
		"               it is dropped\n"
		"  BYTES        of that message\n"
		"  LEFT         how long duplicates may still come\n"
		"\n"
		"Options:\n" INSTANCE_HELP
		"  -j, --json           print an array of objects: peer, local, message_id,\n"
		"                       verdict, expires_ms, and of a reply reply, reply_bytes\n"
		"  -h, --help           this text\n"
		"\n"
		"Exit status:\n"
		"  0  success\n"
		"  1  usage error, no such instance, or not permitted\n"
		"\n"
		"Examples:\n"
		"  coax exchanges\n"
		"  coax exchanges -j | jq '.[] | select(.verdict == \"held\").peer'\n",
};
