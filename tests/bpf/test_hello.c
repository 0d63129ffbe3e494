// SPDX-License-Identifier: BSD-2-Clause
/* DTLS records to secure endpoints: whom the kernel asks for a cookie, and what it drops. */
#include <time.h>
#include <linux/types.h>
#include <coax/gcra.h>
#include "exchange.h"
#include "hello.h"
#include "transport/dtls_hello.h"

struct secured {
	struct kernel kernel;
	struct coax_secret secret;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static struct frame_flow secure_flow(bool ipv6)
{
	struct frame_flow flow = kernel_flow(ipv6);

	flow.destination_port = COAX_PORT_SECURE;
	return flow;
}

static void secured_open(struct secured *secured)
{
	struct frame_flow v4 = secure_flow(false), v6 = secure_flow(true);
	const uint32_t only = 0;

	kernel_open(&secured->kernel);
	kernel_add_service(&secured->kernel, &v4, KERNEL_SERVICE | COAX_SERVICE_SECURE);
	kernel_add_service(&secured->kernel, &v6, KERNEL_SERVICE | COAX_SERVICE_SECURE);
	for (size_t i = 0; i < sizeof(secured->secret); i++)
		((uint8_t *)&secured->secret)[i] = (uint8_t)(i * 31 + (i >> 8));
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&secured->kernel, "secret"), &only,
				      &secured->secret, BPF_ANY),
		  0);
	secured->kernel.config->sessions = 16;
}

static void secured_close(struct secured *secured)
{
	kernel_close(&secured->kernel);
}

static struct coax_session_key session_key(const struct frame_flow *flow)
{
	struct coax_session_key key = {.port_be = htobe16(flow->source_port)};

	if (flow->ipv6) {
		memcpy(key.address, flow->source_ip, 16);
	} else {
		memset(key.address + 10, 0xff, 2);
		memcpy(key.address + 12, flow->source_ip, 4);
	}
	return key;
}

static void add_session(const struct secured *secured, const struct frame_flow *flow)
{
	struct coax_session_key key = session_key(flow);
	struct coax_session_value value = {.sessions = 1, .text = "test"};

	ASSERT_EQ(bpf_map_update_elem(kernel_map(&secured->kernel, "sessions"), &key, &value,
				      BPF_ANY),
		  0);
}

static void set_cookie(const struct secured *secured, struct hello *hello,
		       const struct frame_flow *flow, uint8_t period)
{
	uint8_t request[HELLO_MAX];

	hello_message(request, hello);
	hello->cookie_length = COAX_COOKIE_LENGTH;
	hello_cookie(hello->cookie, &secured->secret.cookie, flow, request, period);
}

/* The frame is answered with exactly the HelloVerifyRequest that the RFC and the cookie make. */
static void expect_verify(const struct secured *secured, const struct frame_flow *flow,
			  const uint8_t *request, size_t length, const char *what)
{
	struct frame_flow back = frame_flow_back(flow);
	uint8_t cookie[COAX_COOKIE_LENGTH], message[HELLO_VERIFY_MAX];
	struct frame frame, wanted;
	struct verdict verdict;
	uint8_t period;
	size_t answer;

	frame_build(&frame, flow, request, length);
	do {
		period = coax_cookie_period(now());
		kernel_expect(&secured->kernel, &frame, offsetof(struct coax_stats, hello),
			      &verdict, what);
	} while (period != coax_cookie_period(now()));
	hello_cookie(cookie, &secured->secret.cookie, flow, request, period);
	answer = hello_verify(message, request, cookie);
	frame_build(&wanted, &back, message, answer);
	exchange_expect_frame(&verdict, &wanted, what);
}

static union coax_address remote_of(const struct frame_flow *flow)
{
	union coax_address remote = {0};

	if (flow->ipv6) {
		remote.in6.sin6_family = AF_INET6;
		remote.in6.sin6_port = htons(flow->source_port);
		memcpy(&remote.in6.sin6_addr, flow->source_ip, 16);
	} else {
		remote.in.sin_family = AF_INET;
		remote.in.sin_port = htons(flow->source_port);
		memcpy(&remote.in.sin_addr, flow->source_ip, 4);
	}
	return remote;
}

static void expect_hello_verified(const struct secured *secured, const struct frame_flow *flow,
				  const struct hello *hello, const char *what)
{
	uint8_t request[HELLO_MAX];

	expect_verify(secured, flow, request, hello_message(request, hello), what);
}

#define EXPECT_BYTES(secured, flow, bytes, length, name)                    \
	do {                                                                \
		struct frame expect_frame;                                  \
		frame_build(&expect_frame, flow, bytes, length);            \
		EXPECT_CASE(&(secured)->kernel, &expect_frame, name, what); \
	} while (0)

#define EXPECT_HELLO(secured, flow, hello, name)                                \
	do {                                                                    \
		const char *what = "hello";                                     \
		uint8_t expect_bytes[HELLO_MAX];                                \
		size_t expect_length = hello_message(expect_bytes, hello);      \
		EXPECT_BYTES(secured, flow, expect_bytes, expect_length, name); \
	} while (0)

TEST("a ClientHello without a cookie is answered with HelloVerifyRequest, whatever its frame is")
{
	struct hello hello = hello_default();
	struct secured secured;
	struct frame_flow flow;

	secured_open(&secured);
	for (unsigned int i = 0; i < 2 * 3 * 3 * 2; i++) {
		flow = secure_flow(i % 2);
		flow.tags = i / 2 % 3;
		flow.checksum = i / 6 % 3;
		flow.padding = i / 18 * 7;
		if (flow.ipv6 && flow.checksum == FRAME_CHECKSUM_ZERO)
			continue;
		expect_hello_verified(&secured, &flow, &hello, "a frame of any kind");
	}
	secured_close(&secured);
}

TEST("so it is with any session ID, of any version of DTLS, and with any number")
{
	struct hello hello = hello_default();
	struct secured secured;
	struct frame_flow flow = secure_flow(true);

	secured_open(&secured);
	for (hello.session_length = 0; hello.session_length <= 32; hello.session_length++) {
		hello.rest = hello.session_length % 5;
		hello.message_sequence = (uint16_t)(hello.session_length * 2001);
		hello.record_sequence[5]++;
		hello.version = hello.session_length % 2 ? 0xfeff : 0xfefc;
		hello.record_version = hello.session_length % 3 ? 0xfefd : 0xfeff;
		expect_hello_verified(&secured, &flow, &hello, "a session ID");
	}
	secured_close(&secured);
}

TEST("one with the cookie that it was sent passes, of this period and of those beside it")
{
	struct secured secured;
	uint8_t period;

	secured_open(&secured);
	for (unsigned int i = 0; i < 2 * 33; i++) {
		struct frame_flow flow = secure_flow(i % 2);
		struct hello hello = hello_default();

		hello.session_length = i / 2;
		period = coax_cookie_period(now());
		for (int age = -1; age <= 1; age++) {
			set_cookie(&secured, &hello, &flow, (uint8_t)(period - age));
			if (period == coax_cookie_period(now()))
				EXPECT_HELLO(&secured, &flow, &hello, pass_cookie);
		}
	}
	secured_close(&secured);
}

TEST("userspace says the same, byte for byte, and takes the kernel's cookie for its own")
{
	struct secured secured;

	secured_open(&secured);
	for (unsigned int i = 0; i < 2 * 33; i++) {
		struct frame_flow flow = secure_flow(i % 2);
		union coax_address remote = remote_of(&flow);
		struct hello hello = hello_default();
		uint8_t request[HELLO_MAX], answer[COAX_HELLO_VERIFY];
		const struct coax_cookie_key *key = &secured.secret.cookie;
		struct coax_record record;
		struct coax_hello parsed;
		struct verdict verdict;
		struct frame frame;
		uint64_t time = now();

		hello.session_length = i / 2;
		frame_build(&frame, &flow, request, hello_message(request, &hello));
		ASSERT_EQ(kernel_run(&secured.kernel, &frame, &verdict), 0);
		ASSERT_EQ(verdict.length, frame.coap + sizeof(answer));
		ASSERT_TRUE(coax_record_parse(&record, request, frame.length - frame.coap));
		ASSERT_TRUE(coax_hello_parse(&parsed, &record));
		coax_hello_verify(answer, &parsed, key, &remote, time);
		if (coax_cookie_period(time) == coax_cookie_period(now()))
			EXPECT_MEMEQ(verdict.bytes + frame.coap, answer, sizeof(answer));
		hello.cookie_length = COAX_COOKIE_LENGTH;
		memcpy(hello.cookie, verdict.bytes + verdict.length - COAX_COOKIE_LENGTH,
		       COAX_COOKIE_LENGTH);
		hello_message(request, &hello);
		ASSERT_TRUE(coax_record_parse(&record, request, sizeof(request)));
		ASSERT_TRUE(coax_hello_parse(&parsed, &record));
		EXPECT_TRUE(coax_hello_cookie_is_valid(&parsed, key, &remote, now()));
	}
	secured_close(&secured);
}

TEST("the cookie in the answer is the one that is asked for")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX];
	struct secured secured;
	struct verdict verdict;
	struct frame frame;

	secured_open(&secured);
	frame_build(&frame, &flow, request, hello_message(request, &hello));
	ASSERT_EQ(kernel_run(&secured.kernel, &frame, &verdict), 0);
	ASSERT_EQ(verdict.length, 14U + 20 + 8 + 37);
	hello.cookie_length = COAX_COOKIE_LENGTH;
	memcpy(hello.cookie, verdict.bytes + verdict.length - COAX_COOKIE_LENGTH,
	       COAX_COOKIE_LENGTH);
	hello.message_sequence = 1;
	hello.record_sequence[5]++;
	EXPECT_HELLO(&secured, &flow, &hello, pass_cookie);
	secured_close(&secured);
}

TEST("a cookie is nobody else's, nor any other hello's, nor that of another time: a new one is "
     "sent")
{
	struct frame_flow flow = secure_flow(false), other;
	struct hello hello = hello_default(), odd;
	struct secured secured;
	uint8_t period;

	secured_open(&secured);
	hello.session_length = 7;
	set_cookie(&secured, &hello, &flow, coax_cookie_period(now()));
	other = flow;
	other.source_ip[3] ^= 1;
	expect_hello_verified(&secured, &other, &hello, "another address");
	other = flow;
	other.source_port ^= 0x100;
	expect_hello_verified(&secured, &other, &hello, "another port");
	other = secure_flow(true);
	expect_hello_verified(&secured, &other, &hello, "another family");
	for (size_t i = 0; i < 32; i++) {
		odd = hello;
		odd.random[i] ^= (uint8_t)(1 << i % 8);
		expect_hello_verified(&secured, &flow, &odd, "another random");
	}
	for (size_t i = 0; i < hello.session_length; i++) {
		odd = hello;
		odd.session[i] ^= 0x80;
		expect_hello_verified(&secured, &flow, &odd, "another session ID");
	}
	odd = hello;
	odd.version = 0xfeff;
	expect_hello_verified(&secured, &flow, &odd, "another version");
	for (size_t i = 0; i < COAX_COOKIE_LENGTH; i++) {
		odd = hello;
		odd.cookie[i] ^= 4;
		expect_hello_verified(&secured, &flow, &odd, "another cookie");
	}
	odd = hello;
	odd.cookie_length = 8;
	expect_hello_verified(&secured, &flow, &odd, "a shorter cookie");
	odd.cookie_length = 10;
	expect_hello_verified(&secured, &flow, &odd, "a longer cookie");
	odd.cookie_length = 255;
	expect_hello_verified(&secured, &flow, &odd, "the longest cookie");
	period = coax_cookie_period(now());
	for (int age = 3; age < 253; age++) {
		set_cookie(&secured, &hello, &flow, (uint8_t)(period - age));
		expect_hello_verified(&secured, &flow, &hello, "another period");
	}
	secured_close(&secured);
}

TEST("a ClientHello cut short anywhere is not answered")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	const char *what = "cut short";
	uint8_t request[HELLO_MAX];
	struct secured secured;
	size_t length;

	secured_open(&secured);
	hello.session_length = 20;
	length = hello_message(request, &hello);
	for (size_t cut = 0; cut < length; cut++) {
		if (cut < HELLO_MIN - 1)
			EXPECT_BYTES(&secured, &flow, request, cut, drop_record);
		else
			EXPECT_BYTES(&secured, &flow, request, cut, pass_hello);
	}
	expect_verify(&secured, &flow, request, length, "whole");
	secured_close(&secured);
}

TEST("nor is one whose lengths do not agree")
{
	struct frame_flow flow = secure_flow(true);
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX], odd[HELLO_MAX];
	struct secured secured;
	size_t length, body;

	secured_open(&secured);
	hello.session_length = 32;
	hello.rest = 0;
	length = hello_message(request, &hello);
	body = hello_get24(request + HELLO_AT_LENGTH);

	const struct {
		const char *what;
		size_t at;
		uint32_t value;
		int bytes;
	} cases[] = {
		{"a record beyond the datagram", HELLO_AT_RECORD_LENGTH, (uint32_t)length - 12, 2},
		{"the longest record", HELLO_AT_RECORD_LENGTH, 0xffff, 2},
		{"a fragment beyond its record", HELLO_AT_RECORD_LENGTH, (uint32_t)length - 14, 2},
		{"no record", HELLO_AT_RECORD_LENGTH, 0, 2},
		{"a fragment beyond its message", HELLO_AT_LENGTH, (uint32_t)body - 1, 3},
		{"an empty message", HELLO_AT_LENGTH, 0, 3},
		{"a fragment without its end", HELLO_AT_FRAGMENT_LENGTH, (uint32_t)body - 1, 3},
		{"the longest fragment", HELLO_AT_FRAGMENT_LENGTH, 0xffffff, 3},
		{"an empty fragment", HELLO_AT_FRAGMENT_LENGTH, 0, 3},
		{"a second fragment", HELLO_AT_OFFSET, 1, 3},
		{"a late fragment", HELLO_AT_OFFSET, 0x10000, 3},
		{"a session ID of 33 bytes", HELLO_AT_SESSION, 33, 1},
		{"the longest session ID", HELLO_AT_SESSION, 255, 1},
		{"a cookie beyond its fragment", HELLO_AT_SESSION + 33, 1, 1},
		{"another protocol's version", HELLO_AT_VERSION, 0x0303, 2},
		{"another protocol's record", 1, 0x0303, 2},
	};

	expect_verify(&secured, &flow, request, length, "without a change");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *what = cases[i].what;

		memcpy(odd, request, length);
		for (int byte = 0; byte < cases[i].bytes; byte++)
			odd[cases[i].at + (size_t)byte] =
				(uint8_t)(cases[i].value >> 8 * (cases[i].bytes - 1 - byte));
		EXPECT_BYTES(&secured, &flow, odd, length, pass_hello);
	}
	secured_close(&secured);
}

TEST("the first fragment of a long ClientHello is enough, whatever follows in the datagram")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	const char *what = "a fragment";
	uint8_t request[2 * HELLO_MAX];
	struct secured secured;
	size_t length;

	secured_open(&secured);
	length = hello_message(request, &hello);
	hello_put24(request + HELLO_AT_LENGTH, 4000);
	expect_verify(&secured, &flow, request, length, "a fragment");
	/* Another message in the record, and another record. */
	frame_put16(request + HELLO_AT_RECORD_LENGTH, (uint16_t)(length - 13 + 50));
	memset(request + length, 0x33, 200);
	expect_verify(&secured, &flow, request, length + 200, "more in the record");
	/* The rest of it comes from whom the first fragment has made known, or may be. */
	hello_put24(request + HELLO_AT_OFFSET, 100);
	EXPECT_BYTES(&secured, &flow, request, length, pass_hello);
	add_session(&secured, &flow);
	EXPECT_BYTES(&secured, &flow, request, length, pass_session);
	secured_close(&secured);
}

/* A record of any type, in any epoch; a handshake's is no ClientHello. */
static size_t make_record(uint8_t *at, uint8_t type, uint16_t epoch, size_t length)
{
	static const uint8_t sequence[6] = {0, 0, 0, 0, 0, 9};

	hello_put_headers(at, 0xfefd, sequence, 16, 2, length - 25);
	at[0] = type;
	frame_put16(at + HELLO_AT_EPOCH, epoch);
	memset(at + 25, 0xe7, length - 25);
	return length;
}

TEST("what comes from a peer without a session and is no ClientHello is dropped")
{
	static const uint8_t types[] = {0, 20, 21, 22, 23, 24, 25, 26, 0x2f, 0x40, 255};
	uint8_t record[HELLO_MAX];
	const char *what = "a record";
	struct secured secured;

	secured_open(&secured);
	for (unsigned int i = 0; i < 2 * 2 * sizeof(types); i++) {
		struct frame_flow flow = secure_flow(i % 2);
		size_t length = make_record(record, types[i / 4], i / 2 % 2, 25 + i);

		EXPECT_BYTES(&secured, &flow, record, length, drop_record);
		add_session(&secured, &flow);
		EXPECT_BYTES(&secured, &flow, record, length, pass_session);
		flow.source_port ^= 1;
		EXPECT_BYTES(&secured, &flow, record, length, drop_record);
		flow.source_port ^= 1;
		flow.source_ip[flow.ipv6 ? 15 : 3] ^= 1;
		EXPECT_BYTES(&secured, &flow, record, length, drop_record);
		flow.source_ip[flow.ipv6 ? 15 : 3] ^= 1;
		struct coax_session_key key = session_key(&flow);
		ASSERT_EQ(bpf_map_delete_elem(kernel_map(&secured.kernel, "sessions"), &key), 0);
	}
	secured_close(&secured);
}

TEST("a ClientHello in an epoch of its session is a record like others")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX];
	const char *what = "renegotiation";
	struct secured secured;
	size_t length;

	secured_open(&secured);
	length = hello_message(request, &hello);
	frame_put16(request + HELLO_AT_EPOCH, 1);
	EXPECT_BYTES(&secured, &flow, request, length, drop_record);
	frame_put16(request + HELLO_AT_EPOCH, 0x100);
	EXPECT_BYTES(&secured, &flow, request, length, drop_record);
	add_session(&secured, &flow);
	EXPECT_BYTES(&secured, &flow, request, length, pass_session);
	secured_close(&secured);
}

TEST("a peer with a session that begins anew has to prove where it is all the same")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	struct secured secured;

	secured_open(&secured);
	add_session(&secured, &flow);
	expect_hello_verified(&secured, &flow, &hello, "RFC 6347 section 4.2.8");
	set_cookie(&secured, &hello, &flow, coax_cookie_period(now()));
	EXPECT_HELLO(&secured, &flow, &hello, pass_cookie);
	secured_close(&secured);
}

TEST("while not all sessions are in the table, nothing is dropped for not being there")
{
	struct frame_flow flow = secure_flow(true);
	uint8_t record[HELLO_MAX];
	const char *what = "a record";
	struct secured secured;
	size_t length = make_record(record, 23, 1, 60);

	secured_open(&secured);
	EXPECT_BYTES(&secured, &flow, record, length, drop_record);
	secured.kernel.config->sessions_missing = 1;
	EXPECT_BYTES(&secured, &flow, record, length, pass_record);
	secured.kernel.config->sessions_missing = 0;
	EXPECT_BYTES(&secured, &flow, record, length, drop_record);
	secured.kernel.config->sessions = 0;
	EXPECT_BYTES(&secured, &flow, record, length, pass_record);
	secured_close(&secured);
}

TEST("nothing is answered or dropped once the lease is over, or while it is switched off")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	uint8_t record[HELLO_MAX];
	const char *what = "a record";
	struct secured secured;
	size_t length = make_record(record, 23, 1, 60);

	secured_open(&secured);
	secured.kernel.config->lease = 1;
	EXPECT_HELLO(&secured, &flow, &hello, pass_lease);
	EXPECT_BYTES(&secured, &flow, record, length, pass_lease);
	secured.kernel.config->lease = COAX_NEVER;
	secured.kernel.config->enabled = 0;
	EXPECT_HELLO(&secured, &flow, &hello, pass_disabled);
	secured_close(&secured);
}

TEST("plain messages are never answered at a secure endpoint, nor records at a plain one")
{
	struct exchange exchange = exchange_default(false);
	struct frame_flow plain = exchange.flow;
	struct hello hello = hello_default();
	struct secured secured;
	struct frame frame;

	secured_open(&secured);
	kernel_add_endpoint(&secured.kernel, &plain);
	exchange_publish(&secured.kernel, EXCHANGE_SLOT, &exchange);
	exchange_expect(&secured.kernel, &exchange, "the plain endpoint");
	EXPECT_HELLO(&secured, &plain, &hello, drop_version);
	exchange.flow.destination_port = COAX_PORT_SECURE;
	exchange_request(&exchange, &frame);
	EXPECT_OUTCOME(&secured.kernel, &frame, drop_record);
	add_session(&secured, &exchange.flow);
	EXPECT_OUTCOME(&secured.kernel, &frame, pass_session);
	secured_close(&secured);
}

/* Limits: */

#define SECOND 1000000000ULL

static struct coax_guard_config *guard_of(struct secured *secured)
{
	struct coax_guard_config *guard =
		(struct coax_guard_config *)&secured->kernel.config->guard;

	*guard = (struct coax_guard_config){
		.seeds = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9},
		.mask_ipv4 = UINT32_MAX,
		.mask_ipv6 = UINT64_MAX,
	};
	return guard;
}

TEST("ClientHellos of a prefix are limited like requests, and nobody is told")
{
	struct frame_flow flow = secure_flow(false), other = flow;
	struct hello hello = hello_default();
	struct coax_guard_config *guard;
	struct secured secured;

	secured_open(&secured);
	guard = guard_of(&secured);
	/* One an hour, and four more at once. */
	guard->requests.cost = 3600 * SECOND << COAX_COST_SHIFT;
	guard->requests.tolerance = 4 * 3600 * SECOND;
	guard->pass_every = 1;
	for (int i = 0; i < 4; i++)
		expect_hello_verified(&secured, &flow, &hello, "within the limit");
	set_cookie(&secured, &hello, &flow, coax_cookie_period(now()));
	EXPECT_HELLO(&secured, &flow, &hello, pass_cookie);
	EXPECT_HELLO(&secured, &flow, &hello, drop_requests);
	hello.cookie_length = 0;
	EXPECT_HELLO(&secured, &flow, &hello, drop_requests);
	EXPECT_HELLO(&secured, &flow, &hello, drop_requests);
	other.source_ip[3]++;
	expect_hello_verified(&secured, &other, &hello, "another prefix");
	secured_close(&secured);
}

TEST("of what is not to be judged strangers have their share, who proves to be there does not "
     "need one")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	uint8_t record[HELLO_MAX], fragment[HELLO_MAX];
	const char *what = "strangers";
	struct coax_guard_config *guard;
	struct secured secured;
	size_t length, record_length = make_record(record, 23, 1, 60);

	secured_open(&secured);
	guard = guard_of(&secured);
	guard->strangers.cost = 3600 * SECOND << COAX_COST_SHIFT;
	guard->strangers.tolerance = 2 * 3600 * SECOND;
	length = hello_message(fragment, &hello);
	hello_put24(fragment + HELLO_AT_OFFSET, 100);
	for (int i = 0; i < 6; i++) {
		flow.source_ip[3] = (uint8_t)(100 + i);
		if (i < 3)
			EXPECT_BYTES(&secured, &flow, fragment, length, pass_hello);
		else
			EXPECT_BYTES(&secured, &flow, fragment, length, drop_strangers);
	}
	secured.kernel.config->sessions_missing = 1;
	EXPECT_BYTES(&secured, &flow, record, record_length, drop_strangers);
	secured.kernel.config->sessions_missing = 0;
	expect_hello_verified(&secured, &flow, &hello, "answered");
	set_cookie(&secured, &hello, &flow, coax_cookie_period(now()));
	EXPECT_HELLO(&secured, &flow, &hello, pass_cookie);
	add_session(&secured, &flow);
	EXPECT_BYTES(&secured, &flow, record, record_length, pass_session);
	secured_close(&secured);
}

TEST("who is never answered is not sent a cookie")
{
	struct frame_flow flow = secure_flow(false);
	struct hello hello = hello_default();
	struct secured secured;

	secured_open(&secured);
	flow.source_port = 53;
	EXPECT_HELLO(&secured, &flow, &hello, drop_reflector);
	flow.source_port = 0;
	EXPECT_HELLO(&secured, &flow, &hello, pass_unusual);
	flow = secure_flow(false);
	flow.source_ip[0] = 127;
	EXPECT_HELLO(&secured, &flow, &hello, pass_unusual);
	secured_close(&secured);
}

TEST_MAIN()
