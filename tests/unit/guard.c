// SPDX-License-Identifier: BSD-2-Clause
/* Limits on requests and replies, with a clock that the test drives. */
#include <arpa/inet.h>
#include <pthread.h>
#include <linux/types.h>
#include <coax/gcra.h>
#include "accel/guard_internal.h"
#include "mapped.h"
#include "../harness.h"

#define SECOND 1000000000ULL
/* Far from zero, as clocks are. */
#define START (1000000 * SECOND)

static struct coax_guard *make(const struct coax_guard_options *options)
{
	static const struct coax_logger quiet = {.from = COAX_LOG_ERROR + 1};
	struct coax_guard *guard;

	ASSERT_EQ(coax_guard_create(&guard, options, &quiet), 0);
	return guard;
}

static union coax_address at(const char *text)
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, text, 40000), 0);
	return address;
}

static union coax_address numbered(uint32_t number)
{
	union coax_address address = at("198.51.100.1");

	address.in.sin_addr.s_addr = htonl(0x0a000000 + number);
	return address;
}

static unsigned int judged(struct coax_guard *guard, const char *from, unsigned int count,
			   uint64_t now, enum coax_guard_verdict wanted)
{
	union coax_address remote = at(from);
	unsigned int found = 0;

	for (unsigned int i = 0; i < count; i++)
		found += coax_guard_judge(guard, &remote, false, now) == wanted;
	return found;
}

TEST("a rate lets its burst through at once, and then one each interval")
{
	struct coax_rate rate = {.cost = (SECOND << COAX_COST_SHIFT) / 10,
				 .tolerance = SECOND - SECOND / 10};
	uint64_t arrival = 0, now = START;

	for (int i = 0; i < 10; i++) {
		EXPECT_TRUE(coax_gcra_conforms(&rate, arrival, now));
		arrival = coax_gcra_next(&rate, arrival, now, 1);
	}
	EXPECT_FALSE(coax_gcra_conforms(&rate, arrival, now));
	EXPECT_FALSE(coax_gcra_conforms(&rate, arrival, now + SECOND / 10 - 1));
	EXPECT_TRUE(coax_gcra_conforms(&rate, arrival, now + SECOND / 10));
	arrival = coax_gcra_next(&rate, arrival, now + SECOND / 10, 1);
	EXPECT_FALSE(coax_gcra_conforms(&rate, arrival, now + SECOND / 10));
}

TEST("what is not used of a rate is kept for the burst alone")
{
	struct coax_rate rate = {.cost = SECOND << COAX_COST_SHIFT, .tolerance = 3 * SECOND};
	uint64_t arrival = coax_gcra_next(&rate, START, START, 1);
	int through = 0;

	while (coax_gcra_conforms(&rate, arrival, START + 1000 * SECOND)) {
		arrival = coax_gcra_next(&rate, arrival, START + 1000 * SECOND, 1);
		through++;
	}
	EXPECT_EQ(through, 4);
}

TEST("the largest message at the lowest rate does not wrap")
{
	struct coax_rate rate = {.cost = SECOND << COAX_COST_SHIFT, .tolerance = SECOND};

	EXPECT_EQ(coax_gcra_next(&rate, 0, START, 65535), START + 65535 * SECOND);
}

TEST("a limit of zero lets everything through")
{
	struct coax_rate rate = {0};

	EXPECT_TRUE(coax_gcra_conforms(&rate, UINT64_MAX, START));
}

TEST("requests of a prefix beyond its limit are too many, others' are not")
{
	struct coax_guard_options options = {.requests = 50, .ipv4_bits = 24, .ipv6_bits = 48};
	struct coax_guard *guard = make(&options);

	EXPECT_EQ(judged(guard, "192.0.2.1", 60, START, COAX_GUARD_SERVE), 50U);
	EXPECT_EQ(judged(guard, "192.0.2.200", 1, START, COAX_GUARD_TOO_MANY), 1U);
	EXPECT_EQ(judged(guard, "192.0.3.1", 60, START, COAX_GUARD_SERVE), 50U);
	EXPECT_EQ(judged(guard, "2001:db8:1:2::1", 60, START, COAX_GUARD_SERVE), 50U);
	EXPECT_EQ(judged(guard, "2001:db8:1:3::1", 1, START, COAX_GUARD_TOO_MANY), 1U);
	EXPECT_EQ(judged(guard, "2001:db8:2:3::1", 1, START, COAX_GUARD_SERVE), 1U);
	EXPECT_EQ(judged(guard, "192.0.2.1", 60, START + SECOND / 2, COAX_GUARD_SERVE), 25U);
	coax_guard_destroy(guard);
}

TEST("an IPv4 address that a socket for both families shows is the same prefix")
{
	struct coax_guard_options options = {.requests = 10};
	struct coax_guard *guard = make(&options);

	EXPECT_EQ(judged(guard, "192.0.2.1", 10, START, COAX_GUARD_SERVE), 10U);
	EXPECT_EQ(judged(guard, "::ffff:192.0.2.1", 1, START, COAX_GUARD_TOO_MANY), 1U);
	coax_guard_destroy(guard);
}

TEST("who has to wait is told for how long, never for less than a second")
{
	struct coax_guard_options options = {.requests = 1};
	struct coax_guard *guard = make(&options);
	union coax_address remote = at("192.0.2.1");

	EXPECT_EQ(judged(guard, "192.0.2.1", 2, START, COAX_GUARD_SERVE), 1U);
	EXPECT_EQ(coax_guard_wait(guard, &remote, START), 2U);
	EXPECT_EQ(coax_guard_wait(guard, &remote, START + SECOND / 2), 1U);
	EXPECT_EQ(coax_guard_wait(guard, &remote, START + 9 * SECOND), 1U);
	coax_guard_destroy(guard);
}

TEST("replies within the factor, headers counted, cost nothing")
{
	struct coax_guard_options options = {.reply_bytes = 1};
	struct coax_guard *guard = make(&options);
	union coax_address remote = at("192.0.2.1");

	/* RFC 9175 section 2.4: 136 bytes answer any request. */
	for (int i = 0; i < 1000; i++)
		coax_guard_charge(guard, &remote, START, 4, 136);
	EXPECT_EQ(judged(guard, "192.0.2.1", 1, START, COAX_GUARD_SERVE), 1U);
	coax_guard_charge(guard, &remote, START, 4, 137);
	EXPECT_EQ(judged(guard, "192.0.2.1", 1, START, COAX_GUARD_CHALLENGE), 1U);
	coax_guard_destroy(guard);
}

TEST("who got more than its share of large replies is challenged until time has passed")
{
	struct coax_guard_options options = {.reply_bytes = 1000};
	struct coax_guard *guard = make(&options);
	union coax_address remote = at("2001:db8::1");

	for (int i = 0; i < 16; i++) {
		EXPECT_EQ(judged(guard, "2001:db8::1", 1, START, COAX_GUARD_SERVE), 1U);
		coax_guard_charge(guard, &remote, START, 20, 1000);
	}
	coax_guard_charge(guard, &remote, START, 20, 1000);
	EXPECT_EQ(judged(guard, "2001:db8::1", 1, START, COAX_GUARD_CHALLENGE), 1U);
	EXPECT_EQ(judged(guard, "2001:db8:0:1::1", 1, START, COAX_GUARD_SERVE), 1U);
	EXPECT_EQ(judged(guard, "2001:db8::1", 1, START + 2 * SECOND, COAX_GUARD_SERVE), 1U);
	coax_guard_destroy(guard);
}

TEST("a reply may leave while it is within the factor, the budget, or for who is verified")
{
	struct coax_guard_options options = {.reply_bytes = 1};
	struct coax_guard *guard = make(&options);
	union coax_address remote = at("192.0.2.1"), other = at("192.0.2.2");

	EXPECT_TRUE(coax_guard_charge(guard, &remote, START, 4, 137));
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(coax_guard_charge(guard, &remote, START, 4, 137));
		EXPECT_TRUE(coax_guard_charge(guard, &remote, START, 4, 136));
	}
	EXPECT_TRUE(coax_guard_charge(guard, &other, START, 4, 137));
	coax_guard_verify(guard, &remote, START);
	EXPECT_TRUE(coax_guard_charge(guard, &remote, START, 4, 1000));
	coax_guard_destroy(guard);
}

TEST("strangers are counted here when the program, attached as it is, has not counted them")
{
	struct coax_guard_options options = {.strangers = 5};
	struct coax_config kernel = {.enabled = 1, .lease = COAX_NEVER};
	struct coax_guard *guard = make(&options);
	struct coax_limit *total = &guard->limits[COAX_LIMITS_TOTAL];
	union coax_address remote;

	kernel.attachments[0].ifindex = 7;
	guard->kernel = &kernel;
	for (uint32_t i = 0; i < 100; i++) {
		remote = numbered(i);
		coax_guard_admit(guard, &remote, 7, START);
	}
	EXPECT_EQ(total->requests, 0U);
	for (int i = 0; i < 3; i++) {
		kernel.enabled = i != 0;
		kernel.lease = i == 1 ? START : COAX_NEVER;
		kernel.attachments[0].silent = i == 2;
		total->requests = 0;
		remote = numbered(1000 + (uint32_t)i);
		coax_guard_admit(guard, &remote, 7, START);
		EXPECT_GT(total->requests, START);
	}
	guard->kernel = NULL;
	coax_guard_destroy(guard);
}

#define CHARGES 3000000

static void *charge_often(void *arg)
{
	struct coax_guard *guard = arg;
	struct coax_limit *total = &guard->limits[COAX_LIMITS_TOTAL];
	struct coax_limit a = {0}, b = {0};

	for (uint32_t i = 0; i < CHARGES; i++) {
		coax_limit_charge_reply(guard->config, &a, &b, total, 1, START, 1000);
		coax_limit_admits(guard->config, &a, &b, total, 2 * i + 3, START);
	}
	return NULL;
}

TEST("what several take of a total at the same time is all counted")
{
	struct coax_guard_options options = {.reply_bytes = 1, .reply_bytes_total = 1};
	struct coax_guard *guard = make(&options);
	struct coax_limit *total = &guard->limits[COAX_LIMITS_TOTAL];
	pthread_t threads[2];

	guard->config->strangers = (struct coax_rate){2 << COAX_COST_SHIFT, 1ULL << 40};
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, charge_often, guard), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(total->replies, START + 2ULL * CHARGES * 1000 * SECOND);
	EXPECT_EQ(total->requests, START + 2ULL * CHARGES * 2);
	coax_guard_destroy(guard);
}

TEST("who is verified is limited again when that has run out")
{
	struct coax_guard_options options = {.reply_bytes = 1, .requests = 3};
	struct coax_guard *guard = make(&options);
	union coax_address remote = at("192.0.2.1");
	uint64_t later = START + COAX_GUARD_VERIFIED_NS;

	coax_guard_charge(guard, &remote, START, 20, 60000);
	EXPECT_EQ(judged(guard, "192.0.2.1", 1, START, COAX_GUARD_CHALLENGE), 1U);
	coax_guard_verify(guard, &remote, START);
	EXPECT_EQ(judged(guard, "192.0.2.1", 1, START, COAX_GUARD_SERVE), 1U);
	coax_guard_charge(guard, &remote, later - 1, 20, 60000);
	EXPECT_EQ(judged(guard, "192.0.2.1", 1, later - 1, COAX_GUARD_SERVE), 1U);
	EXPECT_EQ(judged(guard, "192.0.2.1", 1, later, COAX_GUARD_CHALLENGE), 1U);
	/* Verified ones are those whose replies are not limited; their requests are. */
	coax_guard_verify(guard, &remote, later);
	EXPECT_EQ(judged(guard, "192.0.2.1", 4, later, COAX_GUARD_TOO_MANY), 3U);
	coax_guard_destroy(guard);
}

/* What becomes of a request. */
static enum coax_guard_verdict asked(struct coax_guard *guard, const union coax_address *remote,
				     uint64_t now)
{
	enum coax_guard_admission admission = coax_guard_admit(guard, remote, 0, now);

	ASSERT_NE(admission, (unsigned int)COAX_GUARD_IGNORE);
	return coax_guard_judge(guard, remote, admission == COAX_GUARD_CROWDED, now);
}

TEST("a flood of strangers does not keep those from being served who were there before")
{
	struct coax_guard_options options = {.strangers = 1000};
	struct coax_guard *guard = make(&options);
	union coax_address client = at("192.0.2.1"), late = at("203.0.113.1");
	unsigned int served = 0, others = 0;

	EXPECT_TRUE(asked(guard, &client, START) == COAX_GUARD_SERVE);
	for (uint32_t i = 0; i < 1000000; i++) {
		union coax_address stranger = numbered(i);
		uint64_t now = START + i * 1000; /* a million a second */

		others += asked(guard, &stranger, now) == COAX_GUARD_SERVE;
		if (i % 1000 == 0)
			served += asked(guard, &client, now) == COAX_GUARD_SERVE;
	}
	EXPECT_EQ(served, 1000U);
	/* Half of what there may be at once; the rest was to prove itself. */
	EXPECT_GE(others, 90U);
	EXPECT_LT(others, 110U);

	EXPECT_TRUE(asked(guard, &late, START + SECOND - 1) == COAX_GUARD_CHALLENGE);
	coax_guard_verify(guard, &late, START + SECOND - 1);
	EXPECT_TRUE(asked(guard, &late, START + SECOND - 1) == COAX_GUARD_SERVE);
	coax_guard_destroy(guard);
}

/* Of 1000 strangers at once that come by interface 7. */
static unsigned int crowded(const struct coax_config *kernel)
{
	struct coax_guard_options options = {.strangers = 1000};
	struct coax_guard *guard = make(&options);
	unsigned int count = 0;

	guard->kernel = kernel;
	for (uint32_t i = 0; i < 1000; i++) {
		union coax_address stranger = numbered(i);

		count += coax_guard_admit(guard, &stranger, 7, START) == COAX_GUARD_CROWDED;
	}
	coax_guard_destroy(guard);
	return count;
}

TEST("strangers that the kernel half has counted are not counted again, all others are")
{
	const struct coax_config on = {
		.enabled = 1, .lease = START + SECOND, .attachments = {{.ifindex = 7}}};
	struct coax_config kernel = on;

	EXPECT_EQ(crowded(&kernel), 0U);
	EXPECT_GT(crowded(NULL), 800U);
	kernel.enabled = 0;
	EXPECT_GT(crowded(&kernel), 800U);
	kernel = on;
	kernel.lease = START;
	EXPECT_GT(crowded(&kernel), 800U);
	kernel = on;
	kernel.attachments[0].silent = 1;
	EXPECT_GT(crowded(&kernel), 800U);
	kernel = on;
	kernel.attachments[0].ifindex = 8;
	EXPECT_GT(crowded(&kernel), 800U);
}

TEST("large replies to a flood of strangers leave a share to those who were there before")
{
	struct coax_guard_options options = {.reply_bytes_total = 100000};
	struct coax_guard *guard = make(&options);
	union coax_address client = at("192.0.2.1");
	uint64_t sent = 0, now = START;
	unsigned int served = 0;

	coax_guard_charge(guard, &client, START, 20, 1000);
	for (uint32_t i = 0; i < 200000; i++) {
		union coax_address stranger = numbered(i);

		now = START + i * 10000ULL;
		if (coax_guard_judge(guard, &stranger, false, now) == COAX_GUARD_SERVE) {
			coax_guard_charge(guard, &stranger, now, 20, 1000);
			sent += 1000;
		}
		if (i % 1000)
			continue;
		served += coax_guard_judge(guard, &client, false, now) == COAX_GUARD_SERVE;
		coax_guard_charge(guard, &client, now, 20, 1000);
	}
	EXPECT_EQ(served, 200U);
	/* The burst of eight seconds, and the rate for the two that it took. */
	EXPECT_LE(sent, 10 * 100000U + 2000U);
	EXPECT_GE(sent, 7 * 100000U);
	coax_guard_destroy(guard);
}

TEST("a prefix stays familiar for as long as it is heard of, and no longer")
{
	struct coax_limit a = {0}, b = {0};
	uint64_t unit = 1ULL << COAX_FAMILIAR_SHIFT, now = START;

	coax_make_familiar(&a, &b, 17, now);
	EXPECT_TRUE(coax_is_familiar(&a, &b, 17, now));
	EXPECT_FALSE(coax_is_familiar(&a, &b, 19, now));
	/* Others take the second place, and then none. */
	coax_make_familiar(&a, &b, 19, now);
	coax_make_familiar(&a, &b, 21, now);
	EXPECT_TRUE(coax_is_familiar(&a, &b, 17, now));
	EXPECT_TRUE(coax_is_familiar(&a, &b, 19, now));
	EXPECT_FALSE(coax_is_familiar(&a, &b, 21, now));
	for (int i = 0; i < 10; i++) {
		now += COAX_FAMILIAR_LIFETIME * 3 / 4 * unit;
		EXPECT_TRUE(coax_is_familiar(&a, &b, 17, now));
		coax_make_familiar(&a, &b, 17, now);
	}
	EXPECT_FALSE(coax_is_familiar(&a, &b, 19, now));
	EXPECT_FALSE(coax_is_familiar(&a, &b, 17, now + (COAX_FAMILIAR_LIFETIME + 1) * unit));
}

TEST("the longest prefix says whether a source is allowed or denied")
{
	static const char *const allow[] = {"192.0.2.0/24", "2001:db8::/32", "203.0.113.7"};
	static const char *const deny[] = {"192.0.2.128/25", "2001:db8:bad::/48", "203.0.113.0/24"};
	struct coax_guard_options options = {
		.allow = allow, .allow_count = 3, .deny = deny, .deny_count = 3, .requests = 1};
	static const struct {
		const char *from;
		bool admitted, limited;
	} cases[] = {
		{"192.0.2.1", true, false},   {"192.0.2.127", true, false},
		{"192.0.2.128", false, true}, {"192.0.3.1", true, true},
		{"2001:db8::1", true, false}, {"2001:db8:bad::1", false, true},
		{"2001:db9::1", true, true},  {"203.0.113.7", true, false},
		{"203.0.113.8", false, true}, {"::ffff:192.0.2.200", false, true},
	};
	struct coax_guard *guard = make(&options);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		union coax_address remote = at(cases[i].from);

		EXPECT_EQ(coax_guard_admit(guard, &remote, 0, START) != COAX_GUARD_IGNORE,
			  cases[i].admitted);
		EXPECT_EQ(judged(guard, cases[i].from, 3, START, COAX_GUARD_TOO_MANY),
			  cases[i].limited ? 2U : 0U);
	}
	coax_guard_destroy(guard);
}

TEST("what is no prefix is refused")
{
	static const char *const wrong[] = {"",
					    "/24",
					    "192.0.2.0/33",
					    "192.0.2.0/",
					    "192.0.2/24",
					    "2001:db8::/129",
					    "192.0.2.0/ 8",
					    "192.0.2.0/-1",
					    "example.org"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct coax_guard_options options = {.deny = &wrong[i], .deny_count = 1};
		static const struct coax_logger quiet = {.from = COAX_LOG_ERROR + 1};
		struct coax_guard *guard;

		EXPECT_EQ(coax_guard_create(&guard, &options, &quiet), -EINVAL);
	}
}

TEST("nothing from a port whose service answers anything is looked at")
{
	static const in_port_t ports[] = {7, 19, 53, 123, 161, 1900, 3702, 5353, 11211};
	struct coax_guard_options options = {0};
	struct coax_guard *guard = make(&options);
	union coax_address remote = at("192.0.2.1");

	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		remote.in.sin_port = htons(ports[i]);
		EXPECT_TRUE(coax_guard_admit(guard, &remote, 0, START) == COAX_GUARD_IGNORE);
	}
	/* A server may be a client too. */
	remote.in.sin_port = htons(5683);
	EXPECT_TRUE(coax_guard_admit(guard, &remote, 0, START) == COAX_GUARD_ADMIT);
	coax_guard_destroy(guard);
}

TEST("the loopback addresses are not limited")
{
	struct coax_guard_options options = {.requests = 1, .reply_bytes = 1, .strangers = 1};
	struct coax_guard *guard = make(&options);
	static const char *const loopback[] = {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"};

	for (size_t i = 0; i < 4; i++) {
		union coax_address remote = at(loopback[i]);

		coax_guard_charge(guard, &remote, START, 20, 60000);
		EXPECT_EQ(judged(guard, loopback[i], 10, START, COAX_GUARD_SERVE), 10U);
	}
	coax_guard_destroy(guard);
}

TEST("more sources than there is room for push the oldest out, not each other's")
{
	struct coax_guard_options options = {.reply_bytes = 1};
	struct coax_guard *guard = make(&options);
	unsigned int verified = 0;
	uint8_t bytes[16];

	for (uint32_t i = 0; i < 3 * GUARD_VERIFIED; i++) {
		union coax_address remote = numbered(i);

		coax_guard_verify(guard, &remote, START + i);
	}
	for (uint32_t i = 0; i < 3 * GUARD_VERIFIED; i++) {
		union coax_address remote = numbered(i);

		coax_mapped_address(bytes, &remote);
		verified += guard_is_verified(guard, bytes, START + 3 * GUARD_VERIFIED);
	}
	EXPECT_LE(verified, (unsigned int)GUARD_VERIFIED);
	EXPECT_GE(verified, (unsigned int)GUARD_VERIFIED * 9 / 10);
	coax_guard_destroy(guard);
}

TEST_MAIN()
