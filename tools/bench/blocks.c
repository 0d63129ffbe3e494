// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench blocks: bodies that go block by block, what is asked for and the report.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/block.h>
#include "transfer.h"

#define SOCKETS_MAX    1024
#define BODY_BYTES_MAX (64ULL << 20)
/* What is not measured is waited for so long: the first transfers, and the rest of the last. */
#define PATIENCE (10 * BENCH_NSEC)

struct blocks_options {
	struct client_options client;
	struct transfer_options transfer;
	uint64_t count; /* of transfers; UINT64_MAX: as many as there is time for */
};

static int parse_options(int argc, char **argv, struct blocks_options *o)
{
	static const struct option options[] = {
		CLIENT_OPTIONS,
		{"put", no_argument, NULL, 'P'},
		{"get", no_argument, NULL, 'G'},
		{"size", required_argument, NULL, 'l'},
		{"block-size", required_argument, NULL, 'b'},
		{"sockets", required_argument, NULL, 'S'},
		{"transfers", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	struct transfer_options *transfer = &o->transfer;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'P':
		case 'G':
			transfer->put = option == 'P';
			break;
		case 'l':
			transfer->size = bench_number("--size", optarg, 1, BODY_BYTES_MAX);
			break;
		case 'b':
			transfer->exponent = coax_block_exponent((uint32_t)bench_number(
				"--block-size", optarg, 16, COAX_BLOCK_SIZE_MAX));
			break;
		case 'S':
			o->client.sockets =
				(unsigned int)bench_number("--sockets", optarg, 1, SOCKETS_MAX);
			break;
		case 'n':
			o->count = bench_number("--transfers", optarg, 1, 1ULL << 40);
			break;
		default:
			if (!client_take_option(&o->client, option))
				return bench_usage_error("blocks");
		}
	}
	transfer->destination = o->client.destination;
	transfer->path = o->client.path;
	transfer->sockets = o->client.sockets;
	if (transfer->size > (size_t)(COAX_BLOCK_NUMBER_MAX + 1) << (transfer->exponent + 4)) {
		bench_fail("%zu bytes are more blocks of %u than can be counted", transfer->size,
			   16u << transfer->exponent);
		return 2;
	}
	return 0;
}

/* Bytes that tell where they belong. */
static uint8_t *make_body(size_t size)
{
	uint8_t *body = malloc(size);
	uint64_t state = size;

	for (size_t i = 0; body && i < size; i++)
		body[i] = (uint8_t)client_random(&state);
	return body;
}

static int check(const struct transfer_counts *counts, const struct transfer_options *o)
{
	char address[COAX_ADDRESS_TEXT_MAX], name[8];
	const char *direction = o->put ? "put to" : "got from";

	if (counts->refused && !counts->blocks)
		return bench_fail("nobody listens at %s",
				  coax_address_format(&o->destination, address));
	if (counts->wrong)
		return bench_fail("%llu bodies %s %s went wrong: bytes or block options are not "
				  "what they should be",
				  (unsigned long long)counts->wrong, direction, o->path);
	if (counts->completed)
		return 0;
	if (counts->error_code)
		return bench_fail("no body could be %s %s: %s", direction, o->path,
				  coax_code_name(counts->error_code, name));
	return bench_fail("no body could be %s %s within %llu s", direction, o->path,
			  (unsigned long long)(PATIENCE / BENCH_NSEC));
}

static int open_transfers(struct transfers **transfers, const struct transfer_options *o)
{
	int error = transfers_open(transfers, o);

	return error ? bench_fail("cannot transfer from %u sockets: %s", o->sockets,
				  strerror(-error))
		     : 0;
}

/* One transfer, to put the body there or to see that it is there. */
static int transfer_once(const struct transfer_options *options, bool put)
{
	struct transfer_options o = *options;
	struct transfers *transfers;
	int error;

	o.put = put;
	o.sockets = 1;
	error = open_transfers(&transfers, &o);
	if (error)
		return error;
	transfers_run(transfers, bench_now() + PATIENCE, 1);
	error = check(transfers_counts(transfers), &o);
	transfers_close(transfers);
	return error;
}

static void report(const struct blocks_options *o, const struct transfer_counts *counts,
		   const struct client_spent *spent)
{
	printf("blocks %s bytes=%llu rate=%.0f blocks=%llu completed=%llu failed=%llu",
	       o->transfer.put ? "put" : "get", (unsigned long long)counts->bytes,
	       (double)counts->bytes / spent->seconds, (unsigned long long)counts->blocks,
	       (unsigned long long)counts->completed, (unsigned long long)counts->failed);
	printf(" repeated=%llu extra=%llu malformed=%llu refused=%llu",
	       (unsigned long long)counts->repeated, (unsigned long long)counts->extra,
	       (unsigned long long)counts->malformed, (unsigned long long)counts->refused);
	printf(" size=%zu block_size=%u sockets=%u", o->transfer.size, 16u << o->transfer.exponent,
	       o->transfer.sockets);
	client_print_spent(spent, (double)counts->bytes);
	putchar('\n');
}

static int run(struct transfers *transfers, const struct blocks_options *o)
{
	struct transfer_counts counts;
	struct client_spent spent;
	int error;

	transfers_run(transfers, bench_now() + PATIENCE, o->transfer.sockets);
	error = check(transfers_counts(transfers), &o->transfer);
	if (error)
		return error;
	transfers_reset(transfers);
	client_spent_begin(&spent, &o->client);
	transfers_run(transfers, bench_now() + (uint64_t)(o->client.seconds * 1e9), o->count);
	error = client_spent_end(&spent, &o->client);
	counts = *transfers_counts(transfers);
	transfers_run(transfers, bench_now() + PATIENCE, 0);
	report(o, &counts, &spent);
	return error ? error : check(transfers_counts(transfers), &o->transfer);
}

static int measure(const struct blocks_options *o)
{
	struct transfers *transfers;
	int error;

	error = o->transfer.put ? 0 : transfer_once(&o->transfer, true);
	if (!error)
		error = open_transfers(&transfers, &o->transfer);
	if (error)
		return error;
	error = run(transfers, o);
	transfers_close(transfers);
	if (!error && o->transfer.put)
		error = transfer_once(&o->transfer, false);
	return error;
}

int bench_blocks(int argc, char **argv)
{
	struct blocks_options o = {
		.client =
			{.path = "/body", .sockets = 32, .seconds = 3, .cpu = -1, .server_cpu = -1},
		.transfer = {.size = 1 << 20, .exponent = COAX_BLOCK_EXPONENT_MAX},
		.count = UINT64_MAX,
	};
	uint8_t *body;
	int error;

	error = parse_options(argc, argv, &o);
	if (!error)
		error = client_begin("blocks", &o.client);
	if (!error)
		error = client_allow_sockets(o.transfer.sockets);
	if (error)
		return error;
	body = make_body(o.transfer.size);
	if (!body)
		return bench_fail("no memory for a body of %zu bytes", o.transfer.size);
	o.transfer.body = body;
	error = measure(&o);
	free(body);
	return error;
}
