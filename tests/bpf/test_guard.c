// SPDX-License-Identifier: BSD-2-Clause
/* Whom the kernel does not answer, and how much it sends to whom. */
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <linux/types.h>
#include <coax/gcra.h>
#include "exchange.h"

#define SECOND 1000000000ULL
/* What a rate of one a second costs. */
#define COST_OF_ONE (SECOND << COAX_COST_SHIFT)

struct guarded {
	struct kernel kernel;
	struct coax_guard_config *guard;
	struct coax_limit *limits;
};

/* What the kernel counts by: at least as early as this says. */
static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static void guarded_open(struct guarded *guarded)
{
	exchange_open(&guarded->kernel);
	guarded->guard = (struct coax_guard_config *)&guarded->kernel.config->guard;
	guarded->limits = kernel_mmap(kernel_map(&guarded->kernel, "limits"),
				      COAX_LIMITS * sizeof(*guarded->limits));
	*guarded->guard = (struct coax_guard_config){
		.seeds = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9},
		.mask_ipv4 = UINT32_MAX,
		.mask_ipv6 = UINT64_MAX,
	};
}

static void guarded_close(struct guarded *guarded)
{
	kernel_close(&guarded->kernel);
}

static uint64_t prefix_of(const struct guarded *guarded, const struct frame_flow *flow)
{
	uint32_t words[2];

	memcpy(words, flow->source_ip, sizeof(words));
	return flow->ipv6 ? coax_prefix_ipv6(guarded->guard, words[0], words[1])
			  : coax_prefix_ipv4(guarded->guard, words[0]);
}

static struct coax_limit *limit_of(const struct guarded *guarded, const struct frame_flow *flow,
				   int row)
{
	return &guarded->limits[coax_limit_place(guarded->guard, prefix_of(guarded, flow), row)];
}

static void prefix_key(struct coax_prefix_key *key, const struct frame_flow *flow, uint32_t bits)
{
	memset(key, 0, sizeof(*key));
	key->length = flow->ipv6 ? bits : 96 + bits;
	if (flow->ipv6) {
		memcpy(key->address, flow->source_ip, 16);
		return;
	}
	key->address[10] = key->address[11] = 0xff;
	memcpy(key->address + 12, flow->source_ip, 4);
}

static void list(struct guarded *guarded, const struct frame_flow *flow, uint32_t bits,
		 enum coax_prefix_verdict verdict)
{
	struct coax_prefix_value value = {.verdict = verdict, .text = "test"};
	struct coax_prefix_key key;

	prefix_key(&key, flow, bits);
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&guarded->kernel, "prefixes"), &key, &value,
				      BPF_ANY),
		  0);
	guarded->guard->listed++;
}

static void verify(struct guarded *guarded, const struct frame_flow *flow, uint64_t until)
{
	struct coax_verified_value value = {.until = until, .text = "test"};
	struct coax_verified_key key;
	struct coax_prefix_key prefix;

	prefix_key(&prefix, flow, 32);
	memcpy(key.address, prefix.address, sizeof(key.address));
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&guarded->kernel, "verified"), &key, &value,
				      BPF_ANY),
		  0);
}

#define EXPECT_REQUEST(guarded, exchange, name)                          \
	do {                                                             \
		struct frame expect_frame;                               \
		exchange_request(exchange, &expect_frame);               \
		EXPECT_OUTCOME(&(guarded)->kernel, &expect_frame, name); \
	} while (0)

/* A request for something that is not published. */
static struct exchange unknown(bool ipv6)
{
	static const uint8_t path[] = {0xb1, 'n'};
	struct exchange exchange = exchange_default(ipv6);

	exchange.request = path;
	exchange.request_length = sizeof(path);
	return exchange;
}

static bool is_reflector(uint16_t port)
{
	static const uint16_t ports[] = {
#define PORT_OF(port, name) port,
		COAX_REFLECTORS(PORT_OF)
#undef PORT_OF
	};

	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}

TEST("what comes from the port of a service that answers anything is dropped, nothing else")
{
	struct exchange exchange = exchange_default(false);
	struct guarded guarded;
	unsigned int dropped = 0;

	guarded_open(&guarded);
	for (uint32_t port = 1; port < 65536; port += port < 12000 ? 1 : 997) {
		exchange.flow.source_port = (uint16_t)port;
		if (is_reflector((uint16_t)port)) {
			dropped++;
			EXPECT_REQUEST(&guarded, &exchange, drop_reflector);
		} else if (port != 5683 && port != 5684) {
			EXPECT_REQUEST(&guarded, &exchange, reply);
		}
	}
	EXPECT_GE(dropped, 15U);
	exchange = exchange_default(true);
	exchange.flow.source_port = 1900;
	EXPECT_REQUEST(&guarded, &exchange, drop_reflector);
	guarded_close(&guarded);
}

TEST("the kernel does not answer requests and pings from a CoAP server's port; userspace may")
{
	static const uint8_t ping[] = {0x40, 0, 0x12, 0x34};
	struct exchange exchange = exchange_default(false);
	struct guarded guarded;
	struct frame frame;

	guarded_open(&guarded);
	for (uint16_t port = 5683; port <= 5684; port++) {
		exchange.flow.source_port = port;
		EXPECT_REQUEST(&guarded, &exchange, pass_server_port);
		frame_build(&frame, &exchange.flow, ping, sizeof(ping));
		EXPECT_OUTCOME(&guarded.kernel, &frame, pass_server_port);
	}
	guarded_close(&guarded);
}

TEST("what an endpoint of ours is said to have sent is dropped, also when it is another address")
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct frame_flow own = exchange.flow;
		struct guarded guarded;
		uint32_t last, bit;

		guarded_open(&guarded);
		EXPECT_REQUEST(&guarded, &exchange, reply);
		memcpy(own.destination_ip, exchange.flow.source_ip, 16);
		kernel_add_endpoint(&guarded.kernel, &own);
		memcpy(&last, own.destination_ip + (ipv6 ? 12 : 0), sizeof(last));
		bit = coax_own_bit(last);
		guarded.guard->own[bit / 64] |= 1ULL << bit % 64;
		EXPECT_REQUEST(&guarded, &exchange, drop_own);
		/* One whose bit is set by another is not ours for that. */
		memset(guarded.guard->own, 0xff, sizeof(guarded.guard->own));
		exchange.flow.source_ip[ipv6 ? 5 : 2]++;
		EXPECT_REQUEST(&guarded, &exchange, reply);
		guarded_close(&guarded);
	}
}

TEST("what comes from a denied prefix is dropped, whatever it is; the longest prefix counts")
{
	static const uint8_t reset[] = {0x70, 0, 0x12, 0x34};

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct guarded guarded;
		struct frame frame;

		guarded_open(&guarded);
		list(&guarded, &exchange.flow, 24, COAX_PREFIX_DENIED);
		EXPECT_REQUEST(&guarded, &exchange, drop_denied);
		frame_build(&frame, &exchange.flow, reset, sizeof(reset));
		EXPECT_OUTCOME(&guarded.kernel, &frame, drop_denied);
		list(&guarded, &exchange.flow, 32, COAX_PREFIX_ALLOWED);
		EXPECT_REQUEST(&guarded, &exchange, reply);
		exchange.flow.source_ip[3] ^= 1;
		EXPECT_REQUEST(&guarded, &exchange, drop_denied);
		exchange.flow.source_ip[1] ^= 1;
		EXPECT_REQUEST(&guarded, &exchange, reply);
		guarded_close(&guarded);
	}
}

TEST("requests over the limit of their prefix are dropped, the first and then each Nth passes")
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = exchange_default(ipv6);
		struct guarded guarded;

		guarded_open(&guarded);
		guarded.guard->pass_every = 4;
		guarded.guard->requests = (struct coax_rate){COST_OF_ONE / 10, SECOND};
		for (int i = 0; i < 11; i++)
			EXPECT_REQUEST(&guarded, &exchange, reply);
		/* Slower than this test the tokens come back. */
		guarded.guard->requests.tolerance = 0;
		for (int i = 0; i < 9; i++) {
			if (i % 4 == 0)
				EXPECT_REQUEST(&guarded, &exchange, pass_limited);
			else
				EXPECT_REQUEST(&guarded, &exchange, drop_requests);
		}
		EXPECT_EQ(limit_of(&guarded, &exchange.flow, 0)->over, 9U);
		exchange.flow.source_ip[3]++;
		EXPECT_REQUEST(&guarded, &exchange, reply);
		guarded_close(&guarded);
	}
}

TEST("pings count as requests, and what goes up is not counted: userspace does that")
{
	static const uint8_t ping[] = {0x40, 0, 0x12, 0x34};
	struct exchange exchange = unknown(false);
	struct guarded guarded;
	struct frame frame;

	guarded_open(&guarded);
	guarded.guard->requests = (struct coax_rate){COST_OF_ONE, 0};
	for (int i = 0; i < 3; i++)
		EXPECT_REQUEST(&guarded, &exchange, pass_unknown);
	frame_build(&frame, &exchange.flow, ping, sizeof(ping));
	EXPECT_OUTCOME(&guarded.kernel, &frame, pong);
	EXPECT_OUTCOME(&guarded.kernel, &frame, drop_requests);
	EXPECT_REQUEST(&guarded, &exchange, drop_requests);
	guarded_close(&guarded);
}

TEST("what is no request is not limited as one: acknowledgements, and responses to our requests")
{
	static const uint8_t acknowledgement[] = {0x60, 0, 0x12, 0x34};
	static const uint8_t response[] = {0x40, 0x45, 0x12, 0x35};
	struct exchange exchange = exchange_default(false);
	struct guarded guarded;
	struct frame frame;

	guarded_open(&guarded);
	guarded.guard->requests = (struct coax_rate){COST_OF_ONE, 0};
	EXPECT_REQUEST(&guarded, &exchange, reply);
	EXPECT_REQUEST(&guarded, &exchange, drop_requests);
	frame_build(&frame, &exchange.flow, acknowledgement, sizeof(acknowledgement));
	EXPECT_OUTCOME(&guarded.kernel, &frame, pass_message);
	frame_build(&frame, &exchange.flow, response, sizeof(response));
	EXPECT_OUTCOME(&guarded.kernel, &frame, pass_message);
	EXPECT_REQUEST(&guarded, &exchange, drop_requests);
	guarded_close(&guarded);
}

TEST("what goes up takes nothing off the count of who shares one of its places")
{
	struct exchange exchange = unknown(false);
	struct guarded guarded;
	uint64_t other;

	guarded_open(&guarded);
	guarded.guard->requests = (struct coax_rate){COST_OF_ONE, SECOND};
	other = now() + 1000 * SECOND;
	limit_of(&guarded, &exchange.flow, 0)->requests = other;
	for (int i = 0; i < 3; i++)
		EXPECT_REQUEST(&guarded, &exchange, pass_unknown);
	EXPECT_EQ(limit_of(&guarded, &exchange.flow, 0)->requests, other);
	EXPECT_LT(limit_of(&guarded, &exchange.flow, 1)->requests, now() + SECOND / 2);
	guarded_close(&guarded);
}

TEST("an allowed prefix is not limited; one that is only verified is, in its requests")
{
	struct exchange exchange = exchange_default(false);
	struct guarded guarded;

	guarded_open(&guarded);
	guarded.guard->requests = (struct coax_rate){COST_OF_ONE, 0};
	EXPECT_REQUEST(&guarded, &exchange, reply);
	verify(&guarded, &exchange.flow, COAX_NEVER);
	EXPECT_REQUEST(&guarded, &exchange, drop_requests);
	list(&guarded, &exchange.flow, 32, COAX_PREFIX_ALLOWED);
	EXPECT_REQUEST(&guarded, &exchange, reply);
	guarded_close(&guarded);
}

TEST("what an allowed source asks beyond the limit and goes up gives its prefix nothing back")
{
	struct exchange exchange = exchange_default(false);
	struct exchange other = unknown(false), neighbour = exchange;
	struct guarded guarded;

	guarded_open(&guarded);
	guarded.guard->requests = (struct coax_rate){COST_OF_ONE, 0};
	guarded.guard->mask_ipv4 = htobe32(0xffffff00);
	list(&guarded, &exchange.flow, 32, COAX_PREFIX_ALLOWED);
	neighbour.flow.source_ip[3]++;
	EXPECT_REQUEST(&guarded, &exchange, reply);
	EXPECT_REQUEST(&guarded, &other, pass_unknown);
	EXPECT_REQUEST(&guarded, &neighbour, drop_requests);
	guarded_close(&guarded);
}

TEST("a reply within the factor is sent to anybody, and draws on nothing")
{
	struct exchange exchange = exchange_default(false);
	struct guarded guarded;
	uint8_t reply[140];

	guarded_open(&guarded);
	guarded.guard->factor = 3;
	guarded.guard->replies = (struct coax_rate){COST_OF_ONE, 0};
	exchange_fill(reply, sizeof(reply), 7);
	exchange.reply = reply;
	/* The shortest request: 3 * (62 + 4) - 62 = 136. */
	exchange.request_length = 0;
	exchange.token_length = 0;
	exchange.reply_length = 132;
	exchange_publish(&guarded.kernel, EXCHANGE_SLOT, &exchange);
	for (int i = 0; i < 5; i++)
		exchange_expect(&guarded.kernel, &exchange, "136 bytes");
	EXPECT_EQ(limit_of(&guarded, &exchange.flow, 0)->replies, 0U);
	exchange.reply_length = 133;
	exchange_publish(&guarded.kernel, EXCHANGE_SLOT, &exchange);
	exchange_expect(&guarded.kernel, &exchange, "137 bytes");
	EXPECT_GT(limit_of(&guarded, &exchange.flow, 0)->replies, now() + 100 * SECOND);
	EXPECT_GT(limit_of(&guarded, &exchange.flow, 1)->replies, now() + 100 * SECOND);
	EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
	guarded_close(&guarded);
}

/* With large replies, of which a prefix may have one. */
static struct exchange large(struct guarded *guarded, bool ipv6)
{
	struct exchange exchange = exchange_default(ipv6);
	static uint8_t reply[1000];

	guarded_open(guarded);
	exchange.reply = reply;
	exchange.reply_length = ipv6 ? 600 : sizeof(reply);
	exchange_publish(&guarded->kernel, EXCHANGE_SLOT, &exchange);
	guarded->guard->factor = 3;
	guarded->guard->replies = (struct coax_rate){COST_OF_ONE, 0};
	return exchange;
}

TEST("large replies stop when the prefix has had its share; each Nth request passes")
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct guarded guarded;
		struct exchange exchange = large(&guarded, ipv6);

		guarded.guard->pass_every = 3;
		exchange_expect(&guarded.kernel, &exchange, "the first one");
		for (int i = 0; i < 7; i++) {
			if (i % 3 == 0)
				EXPECT_REQUEST(&guarded, &exchange, pass_limited);
			else
				EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
		}
		exchange.flow.source_ip[3]++;
		exchange_expect(&guarded.kernel, &exchange, "another prefix");
		guarded_close(&guarded);
	}
}

TEST("what shares one place by chance does not share the limit; what shares both does")
{
	struct guarded guarded;
	struct exchange exchange = large(&guarded, false);

	limit_of(&guarded, &exchange.flow, 0)->replies = COAX_NEVER / 2;
	exchange_expect(&guarded.kernel, &exchange, "one place is taken");
	limit_of(&guarded, &exchange.flow, 1)->replies = COAX_NEVER / 2;
	EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
	guarded_close(&guarded);
}

TEST("verified and allowed sources get large replies, for as long as they are")
{
	struct guarded guarded;
	struct exchange exchange = large(&guarded, false);

	exchange_expect(&guarded.kernel, &exchange, "the first one");
	EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
	verify(&guarded, &exchange.flow, now() + 100 * SECOND);
	exchange_expect(&guarded.kernel, &exchange, "verified");
	verify(&guarded, &exchange.flow, now() - 1);
	EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
	list(&guarded, &exchange.flow, 8, COAX_PREFIX_ALLOWED);
	exchange_expect(&guarded.kernel, &exchange, "allowed");
	guarded_close(&guarded);
}

TEST("when all have had their share, familiar prefixes have a reserve, and strangers none")
{
	struct guarded guarded;
	struct exchange exchange = large(&guarded, false);
	struct coax_limit *total = &guarded.limits[COAX_LIMITS_TOTAL];

	guarded.guard->replies.tolerance = 1000000 * SECOND;
	guarded.guard->replies_total = (struct coax_rate){COST_OF_ONE / 1000, 1000 * SECOND};
	exchange_expect(&guarded.kernel, &exchange, "while there is enough");
	total->replies = now() + 1500 * SECOND;
	exchange_expect(&guarded.kernel, &exchange, "known from before");
	exchange.flow.source_ip[3]++;
	EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
	verify(&guarded, &exchange.flow, COAX_NEVER);
	exchange_expect(&guarded.kernel, &exchange, "verified");
	exchange.flow.source_ip[3]--;
	total->replies = now() + 4100 * SECOND;
	EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
	/* Half used up already: who comes now is served, but not remembered. */
	total->replies = now() + 600 * SECOND;
	exchange.flow.source_ip[3] += 2;
	exchange_expect(&guarded.kernel, &exchange, "half used up");
	total->replies = now() + 1500 * SECOND;
	EXPECT_REQUEST(&guarded, &exchange, drop_amplified);
	guarded_close(&guarded);
}

TEST("when userspace has too many strangers, no more of them pass, but hits are answered")
{
	static const uint8_t reset[] = {0x70, 0, 0x12, 0x34};

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct exchange exchange = unknown(ipv6), hit = exchange_default(ipv6);
		struct guarded guarded;
		struct coax_limit *place, *total;
		struct frame frame;

		guarded_open(&guarded);
		total = &guarded.limits[COAX_LIMITS_TOTAL];
		guarded.guard->strangers = (struct coax_rate){COST_OF_ONE, 5 * SECOND};
		guarded.guard->pass_every = 5;
		/* Somebody who comes while there is room enough is counted, and familiar then. */
		exchange.flow.source_ip[ipv6 ? 7 : 3]++;
		EXPECT_REQUEST(&guarded, &exchange, pass_unknown);
		EXPECT_GT(total->requests, now());
		total->requests = now() + 100 * SECOND;
		EXPECT_REQUEST(&guarded, &exchange, pass_unknown);
		EXPECT_LT(total->requests, now() + 101 * SECOND);
		exchange.flow.source_ip[ipv6 ? 7 : 3]--;
		EXPECT_REQUEST(&guarded, &exchange, pass_limited);
		for (int i = 0; i < 4; i++)
			EXPECT_REQUEST(&guarded, &exchange, drop_strangers);
		EXPECT_REQUEST(&guarded, &exchange, pass_limited);
		frame_build(&frame, &exchange.flow, reset, sizeof(reset));
		EXPECT_OUTCOME(&guarded.kernel, &frame, drop_strangers);
		EXPECT_REQUEST(&guarded, &hit, reply);

		verify(&guarded, &exchange.flow, COAX_NEVER);
		EXPECT_REQUEST(&guarded, &exchange, pass_unknown);
		verify(&guarded, &exchange.flow, 0);
		EXPECT_REQUEST(&guarded, &exchange, drop_strangers);
		place = limit_of(&guarded, &exchange.flow, 1);
		place->familiar =
			coax_familiar_name(guarded.guard, prefix_of(&guarded, &exchange.flow));
		place->familiar_until = UINT32_MAX;
		EXPECT_REQUEST(&guarded, &exchange, pass_unknown);
		guarded_close(&guarded);
	}
}

TEST("what is unusual about a datagram, or unchecked, is no way around the strangers' share")
{
	struct exchange v4 = unknown(false), v6 = unknown(true);
	struct guarded guarded;
	struct frame frame;

	guarded_open(&guarded);
	guarded.guard->strangers = (struct coax_rate){COST_OF_ONE, SECOND};
	exchange_request(&v4, &frame);
	frame.bytes[14 + 6] |= 0x20;
	EXPECT_OUTCOME(&guarded.kernel, &frame, pass_unusual);
	EXPECT_GT(guarded.limits[COAX_LIMITS_TOTAL].requests, now());
	guarded.limits[COAX_LIMITS_TOTAL].requests = now() + 100 * SECOND;
	EXPECT_OUTCOME(&guarded.kernel, &frame, pass_unusual);
	frame.bytes[14 + 15]++;
	EXPECT_OUTCOME(&guarded.kernel, &frame, drop_strangers);
	v6.flow.checksum = FRAME_CHECKSUM_ZERO;
	exchange_request(&v6, &frame);
	EXPECT_OUTCOME(&guarded.kernel, &frame, drop_strangers);
	v4.flow.source_ip[3] += 2;
	v4.flow.tags = 1;
	guarded.guard->strict = 1;
	EXPECT_REQUEST(&guarded, &v4, drop_strangers);
	guarded.kernel.config->lease = now();
	EXPECT_OUTCOME(&guarded.kernel, &frame, pass_checksum);
	guarded_close(&guarded);
}

TEST("who is answered by the kernel becomes familiar as well, unless there is a flood")
{
	struct exchange exchange = exchange_default(false);
	uint64_t end = now() + 20 * SECOND;
	struct guarded guarded;
	struct coax_limit *total, *place;

	guarded_open(&guarded);
	total = &guarded.limits[COAX_LIMITS_TOTAL];
	place = limit_of(&guarded, &exchange.flow, 0);
	guarded.guard->strangers = (struct coax_rate){COST_OF_ONE, 100 * SECOND};
	while (!place->familiar && now() < end)
		EXPECT_REQUEST(&guarded, &exchange, reply);
	EXPECT_NE(place->familiar, 0U);
	EXPECT_GT(total->requests, now());
	EXPECT_LT(total->requests, now() + 2 * SECOND);

	total->requests = now() + 90 * SECOND;
	exchange.flow.source_ip[3]++;
	place = limit_of(&guarded, &exchange.flow, 0);
	end = now() + SECOND / 10;
	while (now() < end)
		EXPECT_REQUEST(&guarded, &exchange, reply);
	EXPECT_EQ(place->familiar, 0U);
	guarded_close(&guarded);
}

TEST("the way back to a source is the bridge that the interface is a port of; in VLANs it is unknown")
{
	struct exchange exchange = exchange_default(false);
	volatile struct coax_place *place;
	struct guarded guarded;

	if (unshare(CLONE_NEWNET) || system("ip link set lo up && ip link add above type veth && "
					    "ip address add 192.0.2.1/24 dev above && "
					    "ip link set above up && ip link set veth0 up"))
		SKIP("no network namespaces here");
	ASSERT_EQ(system("echo 1 >/proc/sys/net/ipv4/conf/all/forwarding"), 0);
	guarded_open(&guarded);
	place = kernel_variables(&guarded.kernel, ".data.place");
	guarded.guard->strict = 1;
	EXPECT_REQUEST(&guarded, &exchange, drop_source);
	place->device = if_nametoindex("above");
	place->port = 1;
	EXPECT_REQUEST(&guarded, &exchange, reply);
	exchange.flow.source_ip[0]++;
	EXPECT_REQUEST(&guarded, &exchange, drop_source);
	exchange.flow.tags = 1;
	EXPECT_REQUEST(&guarded, &exchange, pass_unchecked);
	guarded_close(&guarded);
}

TEST("a source cannot be checked by the routing table where that does not forward: it passes")
{
	struct exchange exchange = exchange_default(false);
	struct guarded guarded;

	if (unshare(CLONE_NEWNET))
		SKIP("no network namespaces here");
	guarded_open(&guarded);
	guarded.guard->strict = 1;
	EXPECT_REQUEST(&guarded, &exchange, pass_unchecked);
	guarded_close(&guarded);
}

TEST_MAIN()
