// SPDX-License-Identifier: BSD-2-Clause
/*
 * Duplicates of what a Context handles, over a network: who answers them, and how often a handler
 * runs.
 */
#include <poll.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "../harness.h"
#include "../keeper.h"
#include "../client.h"

#define MESSAGE_MAX 300

/* A POST with a token of two bytes and a payload. */
static size_t make_post(uint8_t *bytes, enum coax_type type, uint16_t id, const char *payload)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, MESSAGE_MAX, type, COAX_POST, id, "tk", 2), 0);
	ASSERT_EQ(coax_message_add_string(&m, COAX_URI_PATH, "r"), 0);
	ASSERT_EQ(coax_message_set_payload(&m, payload, strlen(payload)), 0);
	return m.length;
}

static atomic_int handled;
static struct coax_responder *_Atomic kept;
static int client = -1;

/* Says how often it has been run. */
static void count(struct coax_responder *responder, void *arg)
{
	char text[16];

	(void)arg;
	snprintf(text, sizeof(text), "run %d", atomic_fetch_add(&handled, 1) + 1);
	coax_message_set_payload(coax_responder_response(responder), text, strlen(text));
	coax_respond(responder, COAX_CHANGED);
}

static void keep(struct coax_responder *responder, void *arg)
{
	(void)arg;
	atomic_fetch_add(&handled, 1);
	atomic_store(&kept, coax_responder_defer(responder));
}

static struct coax_context *begin(struct coax_site **site, coax_handler_fn post, bool own_loop,
				  uint32_t empty_ack_delay_ms)
{
	struct coax_resource_options resource = {.path = "r", .post = post};
	struct coax_context_options options = lab_options();
	struct coax_context *context;

	ASSERT_EQ(coax_site_create(site), 0);
	ASSERT_EQ(coax_site_add(*site, &resource, NULL), 0);
	options.site = *site;
	options.workers = own_loop ? 1 : 2;
	options.own_loop = own_loop;
	options.logger = keeper_logger;
	options.tuning.empty_ack_delay_ms = empty_ack_delay_ms;
	options.accel.lease_ms = 60000;
	lab_begin();
	context = context_open(options);
	client = lab_client_open();
	return context;
}

static void end(struct coax_context *context, struct coax_site *site)
{
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

static uint64_t duplicates_of(const struct coax_context *context)
{
	struct coax_context_stats stats;

	coax_context_stats_read(context, &stats);
	return stats.duplicates;
}

TEST("a duplicate CON POST that was answered gets its reply from the kernel; the handler runs once")
{
	uint8_t post[MESSAGE_MAX], first[MESSAGE_MAX], again[MESSAGE_MAX];
	struct coax_site *site;
	struct coax_context *context = begin(&site, count, false, 100);
	size_t length = make_post(post, COAX_TYPE_CON, 0x1234, "x");
	ssize_t got;

	got = client_ask(client, post, length, first, sizeof(first));
	ASSERT_GT(got, 0);
	EXPECT_EQ(first[1], COAX_CHANGED);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(client_ask(client, post, length, again, sizeof(again)), got);
		EXPECT_MEMEQ(again, first, (size_t)got);
	}
	EXPECT_EQ(atomic_load(&handled), 1);
	EXPECT_EQ(keeper_counters().repeat, 5ULL);
	EXPECT_EQ(duplicates_of(context), 0ULL);
	end(context, site);
}

TEST("a duplicate NON POST that was answered is dropped in the kernel; the handler runs once")
{
	uint8_t post[MESSAGE_MAX], reply[MESSAGE_MAX];
	struct coax_site *site;
	struct coax_context *context = begin(&site, count, false, 100);
	size_t length = make_post(post, COAX_TYPE_NON, 0x1234, "x");

	ASSERT_GT(client_ask(client, post, length, reply, sizeof(reply)), 0);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(send(client, post, length, 0), (ssize_t)length);
	WAIT_UNTIL(keeper_counters().drop_duplicate == 5);
	EXPECT_EQ(atomic_load(&handled), 1);
	EXPECT_EQ(duplicates_of(context), 0ULL);
	EXPECT_EQ(recv(client, reply, sizeof(reply), MSG_DONTWAIT), -1);
	end(context, site);
}

TEST("a duplicate of a held request is dropped; once that is answered, it gets the reply")
{
	uint8_t post[MESSAGE_MAX], first[MESSAGE_MAX], again[MESSAGE_MAX];
	struct coax_site *site;
	struct coax_context *context = begin(&site, keep, false, 20000);
	size_t length = make_post(post, COAX_TYPE_CON, 0x1234, "x");
	ssize_t got;

	ASSERT_EQ(send(client, post, length, 0), (ssize_t)length);
	WAIT_UNTIL(atomic_load(&kept));
	ASSERT_EQ(send(client, post, length, 0), (ssize_t)length);
	WAIT_UNTIL(keeper_counters().drop_duplicate == 1);
	coax_respond(atomic_load(&kept), COAX_CHANGED);
	got = client_receive(client, first, sizeof(first));
	ASSERT_GT(got, 0);
	EXPECT_EQ(first[1], COAX_CHANGED);
	ASSERT_EQ(client_ask(client, post, length, again, sizeof(again)), got);
	EXPECT_MEMEQ(again, first, (size_t)got);
	EXPECT_EQ(keeper_counters().repeat, 1ULL);
	EXPECT_EQ(atomic_load(&handled), 1);
	EXPECT_EQ(duplicates_of(context), 0ULL);
	end(context, site);
}

TEST("a duplicate of a request that got an empty ACK gets that from the kernel, held or answered")
{
	uint8_t post[MESSAGE_MAX], reply[MESSAGE_MAX];
	static const uint8_t ack[] = {0x60, 0, 0x12, 0x34};
	struct coax_site *site;
	struct coax_context *context = begin(&site, keep, false, 1);
	size_t length = make_post(post, COAX_TYPE_CON, 0x1234, "x");

	ASSERT_EQ(client_ask(client, post, length, reply, sizeof(reply)), 4);
	EXPECT_MEMEQ(reply, ack, sizeof(ack));
	ASSERT_EQ(client_ask(client, post, length, reply, sizeof(reply)), 4);
	EXPECT_MEMEQ(reply, ack, sizeof(ack));
	EXPECT_EQ(keeper_counters().repeat, 1ULL);
	coax_respond(atomic_load(&kept), COAX_CHANGED);
	ASSERT_GT(client_receive(client, reply, sizeof(reply)), 4);
	EXPECT_EQ(reply[0] >> 4 & 3, COAX_TYPE_CON);
	/* So that it is not repeated. */
	ASSERT_EQ(send(client, ((uint8_t[]){0x60, 0, reply[2], reply[3]}), 4, 0), 4);
	ASSERT_EQ(client_ask(client, post, length, reply, sizeof(reply)), 4);
	EXPECT_MEMEQ(reply, ack, sizeof(ack));
	EXPECT_EQ(keeper_counters().repeat, 2ULL);
	EXPECT_EQ(atomic_load(&handled), 1);
	end(context, site);
}

TEST("a message ID used again with other bytes is served, and never gets the former's reply")
{
	uint8_t post[MESSAGE_MAX], reply[MESSAGE_MAX], again[MESSAGE_MAX];
	struct coax_site *site;
	struct coax_context *context = begin(&site, count, false, 100);
	size_t length;
	ssize_t got;

	for (int i = 0; i < 5; i++) {
		char payload[2] = {(char)('a' + i), 0};
		char says[16];

		length = make_post(post, COAX_TYPE_CON, 0x1234, payload);
		got = client_ask(client, post, length, reply, sizeof(reply));
		snprintf(says, sizeof(says), "run %d", i + 1);
		ASSERT_GT(got, 5);
		EXPECT_MEMEQ(reply + got - 5, says, 5);
		ASSERT_EQ(client_ask(client, post, length, again, sizeof(again)), got);
		EXPECT_MEMEQ(again, reply, (size_t)got);
	}
	EXPECT_EQ(keeper_counters().repeat, 5ULL);
	EXPECT_EQ(atomic_load(&handled), 5);
	end(context, site);
}

/* Datagrams that found the socket's buffer full. */
static unsigned long overflows(void)
{
	FILE *snmp = fopen("/proc/thread-self/net/snmp", "r");
	unsigned long in, no_port, errors, out, full = 0;
	char line[512];

	ASSERT_TRUE(snmp);
	while (fgets(line, sizeof(line), snmp))
		if (sscanf(line, "Udp: %lu %lu %lu %lu %lu", &in, &no_port, &errors, &out, &full) ==
		    5)
			break;
	fclose(snmp);
	return full;
}

static void process_all(struct coax_context *context)
{
	struct pollfd readable = {.fd = coax_context_fd(context), .events = POLLIN};

	while (poll(&readable, 1, 50) == 1)
		coax_context_process(context);
}

TEST("a request that is lost between kernel and userspace is not lost for good")
{
	uint8_t post[MESSAGE_MAX], reply[MESSAGE_MAX];
	struct coax_site *site;
	struct coax_context *context = begin(&site, count, true, 100);
	size_t length = make_post(post, COAX_TYPE_CON, 0x1234, "x");
	/* An ACK that nobody waits for. */
	const uint8_t noise[] = {0x60, 0, 0, 1};
	unsigned long before;
	uint64_t sent = 0;

	for (; !overflows(); sent++)
		ASSERT_EQ(send(client, noise, sizeof(noise), 0), 4);
	WAIT_UNTIL(keeper_counters().pass_message == sent);
	before = overflows();
	ASSERT_EQ(send(client, post, length, 0), (ssize_t)length);
	WAIT_UNTIL(keeper_counters().pass_method == 1 && overflows() == before + 1);
	process_all(context);
	EXPECT_EQ(atomic_load(&handled), 0);

	ASSERT_EQ(send(client, post, length, 0), (ssize_t)length);
	WAIT_UNTIL(keeper_counters().pass_method == 2);
	process_all(context);
	EXPECT_EQ(atomic_load(&handled), 1);
	EXPECT_EQ(keeper_counters().drop_duplicate, 0ULL);
	EXPECT_GT(client_receive(client, reply, sizeof(reply)), 0);
	EXPECT_GT(client_ask(client, post, length, reply, sizeof(reply)), 0);
	EXPECT_EQ(keeper_counters().repeat, 1ULL);
	EXPECT_EQ(atomic_load(&handled), 1);
	end(context, site);
}

static _Thread_local struct coax_accel_verdicts verdicts;

/* The keeper alone, asked by lab_ask()'s client: 192.0.2.2:40000. */
static struct coax_accel_verdict verdict_of(const struct coax_accel *accel, uint16_t id,
					    const uint8_t *post, size_t length)
{
	static _Thread_local union coax_address remote, local;

	ASSERT_EQ(coax_address_parse(&remote, LAB_CLIENT_IPV4, 40000), 0);
	local = keeper_address(LAB_SERVER_IPV4);
	return (struct coax_accel_verdict){
		.remote = &remote,
		.local = &local,
		.ifindex = if_nametoindex(LAB_SERVER),
		.message_id = id,
		.verdict = COAX_EXCHANGE_HELD,
		.digest = coax_digest(coax_accel_digest(accel), post, (uint32_t)length),
		.expires = COAX_NEVER,
	};
}

static void decide(struct coax_accel *accel, uint16_t id, const uint8_t *reply, size_t length,
		   uint64_t expires)
{
	uint8_t post[MESSAGE_MAX];
	size_t bytes = make_post(post, COAX_TYPE_CON, id, "x");
	struct coax_accel_verdict verdict = verdict_of(accel, id, post, bytes);

	if (length) {
		verdict.verdict = COAX_EXCHANGE_ANSWERED;
		verdict.reply = reply;
		verdict.reply_length = length;
	}
	verdict.expires = expires;
	coax_accel_decide(accel, &verdicts, &verdict);
	coax_accel_settle(&verdicts);
}

static void withdraw(struct coax_accel *accel, uint16_t id)
{
	struct coax_accel_verdict verdict = verdict_of(accel, id, (uint8_t *)"", 0);

	verdict.verdict = COAX_EXCHANGE_NONE;
	coax_accel_decide(accel, &verdicts, &verdict);
	coax_accel_settle(&verdicts);
}

/* As lab_ask(): the reply's length, 0 when it passes, -1 when it is dropped. */
static ssize_t ask(int program, uint16_t id, uint8_t *reply)
{
	uint8_t post[MESSAGE_MAX];
	size_t length = make_post(post, COAX_TYPE_CON, id, "x");

	return lab_ask(program, post, length, reply, MESSAGE_MAX);
}

static uint64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Two records are one set. */
static struct coax_accel *keep_two(void)
{
	struct coax_accel_options options = keeper_options();
	union coax_address any = keeper_address("0.0.0.0");
	struct coax_accel *accel = NULL;

	options.exchanges = 1;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &any), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	coax_accel_renew(accel, clock_now());
	EXPECT_EQ(keeper_config().exchanges, 2U);
	return accel;
}

TEST("verdicts replace each other by name, the one that ends first makes room, others pass")
{
	uint8_t reply[MESSAGE_MAX], got[MESSAGE_MAX];
	struct coax_accel *accel;
	int program;

	lab_begin();
	accel = keep_two();
	program = lab_program();
	memset(reply, 0x61, sizeof(reply));
	EXPECT_EQ(ask(program, 1, got), 0);
	decide(accel, 1, NULL, 0, COAX_NEVER);
	EXPECT_EQ(ask(program, 1, got), -1);
	decide(accel, 1, reply, 20, COAX_NEVER);
	EXPECT_EQ(ask(program, 1, got), 20);
	EXPECT_MEMEQ(got, reply, 20);
	decide(accel, 2, NULL, 0, COAX_NEVER - 1);
	EXPECT_EQ(ask(program, 1, got), 20);
	EXPECT_EQ(ask(program, 2, got), -1);
	decide(accel, 3, NULL, 0, COAX_NEVER);
	EXPECT_EQ(ask(program, 1, got), 20);
	EXPECT_EQ(ask(program, 2, got), 0);
	EXPECT_EQ(ask(program, 3, got), -1);
	coax_accel_close(accel);
}

TEST("what is withdrawn, or too long to be kept, passes, whatever was known before")
{
	uint8_t reply[MESSAGE_MAX], got[MESSAGE_MAX];
	struct coax_accel *accel;
	int program;

	lab_begin();
	accel = keep_two();
	program = lab_program();
	memset(reply, 0x61, sizeof(reply));
	decide(accel, 1, reply, COAX_REPEAT_MAX, COAX_NEVER);
	EXPECT_EQ(ask(program, 1, got), COAX_REPEAT_MAX);
	decide(accel, 1, reply, COAX_REPEAT_MAX + 1, COAX_NEVER);
	EXPECT_EQ(ask(program, 1, got), 0);
	decide(accel, 1, NULL, 0, COAX_NEVER);
	EXPECT_EQ(ask(program, 1, got), -1);
	withdraw(accel, 2);
	EXPECT_EQ(ask(program, 1, got), -1);
	withdraw(accel, 1);
	EXPECT_EQ(ask(program, 1, got), 0);
	coax_accel_close(accel);
}

TEST("messages whose name the kernel cannot know have no records")
{
	union coax_address unknown = {.sa.sa_family = AF_UNSPEC};
	union coax_address link_local;
	struct coax_exchange_record record;
	struct coax_accel_verdict verdict;
	struct coax_accel *accel;

	lab_begin();
	accel = keep_two();
	ASSERT_EQ(coax_address_parse(&link_local, "[fe80::1]:40000", 5683), 0);
	verdict = verdict_of(accel, 1, (uint8_t *)"", 0);
	verdict.local = &unknown;
	coax_accel_decide(accel, &verdicts, &verdict);
	coax_accel_settle(&verdicts);
	verdict.local = verdict.remote = &link_local;
	verdict.ifindex = 0;
	coax_accel_decide(accel, &verdicts, &verdict);
	coax_accel_settle(&verdicts);
	verdict.ifindex = 0x10001;
	coax_accel_decide(accel, &verdicts, &verdict);
	coax_accel_settle(&verdicts);
	for (uint32_t i = 0; i < 2; i++) {
		int fd = keeper_map("exchanges");

		ASSERT_EQ(bpf_map_lookup_elem(fd, &i, &record), 0);
		EXPECT_EQ((int)record.verdict, COAX_EXCHANGE_NONE);
		close(fd);
	}
	coax_accel_close(accel);
}

TEST("who takes over repeats what a killed process answered, and handles what that held")
{
	uint8_t reply[20], got[MESSAGE_MAX];
	struct coax_accel *accel;
	int ready[2], program;
	char byte;
	pid_t pid;

	memset(reply, 0x61, sizeof(reply));
	lab_begin();
	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (pid == 0) {
		accel = keep_two();
		decide(accel, 1, reply, sizeof(reply), COAX_NEVER);
		decide(accel, 2, NULL, 0, COAX_NEVER);
		ASSERT_EQ(write(ready[1], "x", 1), 1);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);

	accel = keep_two();
	program = lab_program();
	EXPECT_TRUE(keeper_said("took over"));
	EXPECT_EQ(ask(program, 1, got), (ssize_t)sizeof(reply));
	EXPECT_MEMEQ(got, reply, sizeof(reply));
	EXPECT_EQ(ask(program, 2, got), 0);
	decide(accel, 2, NULL, 0, COAX_NEVER);
	EXPECT_EQ(ask(program, 2, got), -1);
	coax_accel_close(accel);
}

#define WRITERS	 2
#define MESSAGES 6
#define ROUNDS	 40000

struct writer {
	pthread_t thread;
	struct coax_accel *accel;
	uint16_t first; /* of its messages: each has those of a remote of its own */
	atomic_bool *stop;
};

/* Each reply says whose it is in every byte, and has a length of its own. */
static void *write_verdicts(void *arg)
{
	const struct writer *writer = arg;
	uint8_t reply[COAX_REPEAT_MAX];
	uint16_t id = writer->first;

	for (uint64_t i = 1; !atomic_load(writer->stop); i++) {
		memset(reply, 0x60 + id, sizeof(reply));
		decide(writer->accel, id, reply, 100 + id, COAX_NEVER - i % 3);
		if (i % 16 == 0)
			withdraw(writer->accel, id);
		id = (uint16_t)((id + WRITERS) % MESSAGES);
	}
	return NULL;
}

TEST_TIMEOUT("no duplicate ever gets another message's reply, while records change hands", 120)
{
	uint8_t got[MESSAGE_MAX], wanted[MESSAGE_MAX];
	struct writer writers[WRITERS];
	struct coax_accel *accel;
	atomic_bool stop = false;
	int program, replies = 0;

	lab_begin();
	accel = keep_two();
	program = lab_program();
	for (uint16_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.accel = accel, .first = i, .stop = &stop};
		ASSERT_EQ(pthread_create(&writers[i].thread, NULL, write_verdicts, &writers[i]), 0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		uint16_t id = (uint16_t)(i % MESSAGES);
		ssize_t length = ask(program, id, got);

		coax_accel_renew(accel, clock_now());
		if (length <= 0)
			continue;
		replies++;
		memset(wanted, 0x60 + id, sizeof(wanted));
		ASSERT_EQ(length, 100 + id);
		ASSERT_TRUE(memcmp(got, wanted, (size_t)length) == 0);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	EXPECT_GT(replies, 0);
	coax_accel_close(accel);
}

TEST_MAIN()
