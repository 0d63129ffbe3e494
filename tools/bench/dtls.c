// SPDX-License-Identifier: BSD-2-Clause
/*
 * coax-bench dtls: what is asked for, and the reports.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <coax/wire.h>
#include "hellos.h"
#include "resident.h"
#include "secure.h"

#define SESSIONS_MAX 16384
/* Before handshakes or requests count. */
#define WARM_UP (BENCH_NSEC / 5)
/* Sessions that are not established by then never are. */
#define ESTABLISH_PATIENCE (60 * BENCH_NSEC)
/* Sessions that a server has had before its memory is looked at. */
#define IDLE_BEFORE 64
/* Handshakes at a time of sessions that stay. */
#define SHAKING		   16

#define PSK_CIPHER	   "PSK-AES128-CCM8"
#define CERTIFICATE_CIPHER "ECDHE-ECDSA-AES128-CCM8"

struct dtls_options {
	struct client_options client;
	struct secure_options secure;
	int (*measure)(const struct dtls_options *o);
	uint64_t count;
};

static uint64_t end_of(const struct dtls_options *o)
{
	return bench_now() + (uint64_t)(o->client.seconds * 1e9);
}

static int complain(const struct dtls_options *o, const struct secure_counts *counts,
		    const char *what)
{
	char address[COAX_ADDRESS_TEXT_MAX];

	coax_address_format(&o->secure.destination, address);
	if (counts->refused && !counts->handshakes)
		return bench_fail("nobody listens at %s", address);
	return bench_fail("%s with %s%s%s", what, address, *counts->reason ? ": " : "",
			  counts->reason);
}

static int open_secure(struct secure **secure, const struct dtls_options *o)
{
	int error = client_allow_sockets(o->secure.sessions + SECURE_FORMER_MAX);

	if (error)
		return error;
	error = secure_open(secure, &o->secure);
	return error ? bench_fail("no handshakes by %s: %s", o->secure.cipher, strerror(-error))
		     : 0;
}

static void print_handshakes(const struct dtls_options *o, const struct secure_counts *counts)
{
	printf(" cipher=%s sessions=%u resumed=%llu failed=%llu repeated=%llu", o->secure.cipher,
	       o->secure.sessions, (unsigned long long)counts->resumed,
	       (unsigned long long)counts->failed, (unsigned long long)counts->repeated);
}

static int measure_handshakes(const struct dtls_options *o)
{
	struct secure_counts counts;
	struct client_spent spent;
	struct secure *secure;
	int error;

	error = open_secure(&secure, o);
	if (error)
		return error;
	secure_shake(secure, bench_now() + WARM_UP, UINT64_MAX);
	secure_reset(secure);
	client_spent_begin(&spent, &o->client);
	secure_shake(secure, end_of(o), o->count);
	error = client_spent_end(&spent, &o->client);
	counts = *secure_counts(secure);
	secure_close(secure);
	printf("dtls handshakes done=%llu rate=%.0f", (unsigned long long)counts.handshakes,
	       (double)counts.handshakes / spent.seconds);
	print_handshakes(o, &counts);
	client_print_spent(&spent, (double)counts.handshakes);
	putchar('\n');
	if (!error && !counts.handshakes)
		error = complain(o, &counts, "no handshake");
	return error;
}

static int measure_requests(const struct dtls_options *o)
{
	struct secure_counts counts, handshakes;
	struct client_spent spent;
	struct secure *secure;
	bool established;
	int error;

	error = open_secure(&secure, o);
	if (error)
		return error;
	established = secure_establish(secure, bench_now() + ESTABLISH_PATIENCE);
	handshakes = *secure_counts(secure);
	secure_request(secure, bench_now() + WARM_UP, UINT64_MAX);
	secure_reset(secure);
	client_spent_begin(&spent, &o->client);
	secure_request(secure, end_of(o), o->count);
	error = client_spent_end(&spent, &o->client);
	counts = *secure_counts(secure);
	secure_close(secure);
	if (!established)
		return complain(o, &handshakes, "not all sessions");
	printf("dtls requests sent=%llu replies=%llu rate=%.0f errors=%llu lost=%llu extra=%llu "
	       "ended=%llu window=%u",
	       (unsigned long long)counts.sent, (unsigned long long)counts.replies,
	       (double)counts.replies / spent.seconds, (unsigned long long)counts.errors,
	       (unsigned long long)counts.lost, (unsigned long long)counts.extra,
	       (unsigned long long)counts.ended, o->secure.window);
	print_handshakes(o, &handshakes);
	client_print_spent(&spent, (double)counts.replies);
	putchar('\n');
	if (!error && !counts.replies)
		error = complain(o, &counts, "no good replies");
	return error;
}

/* In the server's memory, beginning with what it has once the first sessions were there. */
static int measure_idle(const struct dtls_options *o)
{
	double openssl = resident_of_openssl(&o->secure, o->secure.sessions), before, after, later;
	struct secure_counts counts;
	struct secure *secure;
	bool established;
	int error;

	error = open_secure(&secure, o);
	if (error)
		return error;
	secure_shake(secure, bench_now() + ESTABLISH_PATIENCE, IDLE_BEFORE);
	secure_reset(secure);
	before = resident_bytes(o->client.server);
	established = secure_establish(secure, bench_now() + ESTABLISH_PATIENCE);
	after = resident_bytes(o->client.server);
	bench_sleep_ms((unsigned int)(o->client.seconds * 1e3));
	later = resident_bytes(o->client.server);
	counts = *secure_counts(secure);
	secure_close(secure);
	if (!established)
		return complain(o, &counts, "not all sessions");
	if (openssl < 0)
		return bench_fail("OpenSSL alone does not shake hands by %s", o->secure.cipher);
	if (before < 0 || later < 0)
		return bench_fail("the server ended during the run");
	after = (after - before) / o->secure.sessions;
	later = (later - before) / o->secure.sessions;
	printf("dtls idle session_bytes=%.0f later_bytes=%.0f openssl_bytes=%.0f own_bytes=%.0f",
	       after, later, openssl, (after > later ? after : later) - openssl);
	print_handshakes(o, &counts);
	putchar('\n');
	return 0;
}

static int measure_hellos(const struct dtls_options *o)
{
	struct hellos_counts counts;
	struct client_spent spent;
	double user = bench_process_user(o->client.server);
	int error;

	client_spent_begin(&spent, &o->client);
	error = hellos_run(&o->secure, end_of(o), o->count, &counts);
	if (error)
		return bench_fail("no ClientHellos with %s: %s", o->secure.cipher,
				  strerror(-error));
	error = client_spent_end(&spent, &o->client);
	user = bench_process_user(o->client.server) - user;
	printf("dtls hellos sent=%llu answered=%llu rate=%.0f", (unsigned long long)counts.sent,
	       (unsigned long long)counts.answered, (double)counts.answered / spent.seconds);
	if (o->client.server && counts.answered)
		printf(" us=%.2f user_us=%.2f", spent.server_cpu * 1e6 / (double)counts.answered,
		       user * 1e6 / (double)counts.answered);
	client_print_spent(&spent, (double)counts.answered);
	putchar('\n');
	if (!error && !counts.answered)
		error = bench_fail("no ClientHello was answered");
	return error;
}

static int check_options(struct dtls_options *o)
{
	bool idle = o->measure == measure_idle;

	if (!o->secure.identity != !o->secure.key) {
		bench_fail("--identity and --key go together");
		return 2;
	}
	if (idle && (!o->client.server || !o->secure.identity)) {
		bench_fail("--idle wants --server-pid, --identity and --key");
		return 2;
	}
	if (!o->secure.cipher)
		o->secure.cipher = o->secure.identity ? PSK_CIPHER : CERTIFICATE_CIPHER;
	o->secure.destination = o->client.destination;
	o->secure.request.path = o->client.path;
	o->secure.sessions = o->client.sockets;
	o->secure.shaking = o->secure.sessions < SHAKING ? o->secure.sessions : SHAKING;
	return 0;
}

static int parse_options(int argc, char **argv, struct dtls_options *o)
{
	static const struct option options[] = {
		CLIENT_OPTIONS,
		{"handshakes", no_argument, NULL, 'h'},
		{"requests", no_argument, NULL, 'r'},
		{"idle", no_argument, NULL, 'I'},
		{"hellos", no_argument, NULL, 'H'},
		{"identity", required_argument, NULL, 'i'},
		{"key", required_argument, NULL, 'k'},
		{"cipher", required_argument, NULL, 'x'},
		{"resume", no_argument, NULL, 'R'},
		{"sessions", required_argument, NULL, 'S'},
		{"window", required_argument, NULL, 'w'},
		{"count", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'h':
			o->measure = measure_handshakes;
			break;
		case 'r':
			o->measure = measure_requests;
			break;
		case 'I':
			o->measure = measure_idle;
			break;
		case 'H':
			o->measure = measure_hellos;
			break;
		case 'i':
			o->secure.identity = optarg;
			break;
		case 'k':
			o->secure.key = optarg;
			break;
		case 'x':
			o->secure.cipher = optarg;
			break;
		case 'R':
			o->secure.resume = true;
			break;
		case 'S':
			o->client.sockets =
				(unsigned int)bench_number("--sessions", optarg, 1, SESSIONS_MAX);
			break;
		case 'w':
			o->secure.window = (unsigned int)bench_number("--window", optarg, 1,
								      SECURE_WINDOW_MAX);
			break;
		case 'n':
			o->count = bench_number("--count", optarg, 1, 1ULL << 40);
			break;
		default:
			if (!client_take_option(&o->client, option))
				return bench_usage_error("dtls");
		}
	}
	return check_options(o);
}

int bench_dtls(int argc, char **argv)
{
	struct dtls_options o = {
		.client = {.path = "/data",
			   .port = COAX_PORT_SECURE,
			   .sockets = 64,
			   .seconds = 3,
			   .cpu = -1,
			   .server_cpu = -1},
		.secure = {.request = {.method = COAX_GET, .token_length = 4}, .window = 1},
		.measure = measure_handshakes,
		.count = UINT64_MAX,
	};
	int error;

	error = parse_options(argc, argv, &o);
	if (!error)
		error = client_begin("dtls", &o.client);
	return error ? error : o.measure(&o);
}
