// SPDX-License-Identifier: BSD-2-Clause
/* Notifications and what comes of them (RFC 7641 section 4.5). */
#include "exchange_world.h"

#define OBSERVER 40000

static struct coax_notice notice;

static void observe_from(struct coax_notice *observer, uint16_t port)
{
	memset(observer, 0, sizeof(*observer));
	observer->path = path_from(port);
	observer->token_length = 2;
	memcpy(observer->token, "ob", 2);
	ASSERT_EQ(coax_exchange_notice_add(world.exchange, observer), 0);
}

static void begin(void)
{
	world_start();
	world.state = "one";
	world.removes = true;
	observe_from(&notice, OBSERVER);
}

static int notify(enum coax_notify how)
{
	return coax_exchange_notify(world.exchange, world.now, &notice, how);
}

static uint16_t id_of(int back)
{
	struct coax_message message = as_message(sent_before(back));

	return coax_message_id(&message);
}

static enum coax_type last_type(void)
{
	struct coax_message message = last_sent();

	return coax_message_type(&message);
}

static bool last_says(const char *state)
{
	struct coax_message message = last_sent();
	size_t length;
	const uint8_t *payload = coax_message_payload(&message, &length);

	return length == strlen(state) && memcmp(payload, state, length) == 0;
}

static void acknowledge(uint16_t id)
{
	arrive_message(COAX_TYPE_ACK, COAX_EMPTY, id, 0, NULL);
}

static void reset(uint16_t id)
{
	arrive_message(COAX_TYPE_RST, COAX_EMPTY, id, 0, NULL);
}

static bool nothing_is_due(void)
{
	return coax_exchange_deadline(world.exchange) == UINT64_MAX;
}

/* The first notification is acknowledged after `ms`. */
static void begin_acknowledged(uint64_t ms)
{
	begin();
	notify(COAX_NOTIFY_DEFAULT);
	pass_ms(ms);
	acknowledge(id_of(0));
}

TEST("the first notification is a CON, which an ACK completes")
{
	begin();
	EXPECT_EQ(notify(COAX_NOTIFY_UNRELIABLE), 0);
	EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
	EXPECT_TRUE(last_says("one"));
	EXPECT_MEMEQ(sent_before(0)->data + 4, "ob", 2);
	EXPECT_EQ(world.notified, 0);
	acknowledge(id_of(0));
	EXPECT_EQ(world.notified, 1);
	EXPECT_EQ(world.notified_result, 0);
	EXPECT_TRUE(nothing_is_due());
	EXPECT_EQ(COUNTED(notifications), 1);
	/* A duplicate of the ACK. */
	acknowledge(id_of(0));
	EXPECT_EQ(world.notified, 1);
	world_end();
}

TEST("while one is unacknowledged no other leaves")
{
	begin();
	notify(COAX_NOTIFY_DEFAULT);
	EXPECT_EQ(notify(COAX_NOTIFY_DEFAULT), -EBUSY);
	EXPECT_EQ(notify(COAX_NOTIFY_UNRELIABLE), -EBUSY);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(world.composed, 1);
	acknowledge(id_of(0));
	EXPECT_EQ(notify(COAX_NOTIFY_DEFAULT), 0);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_NE(id_of(0), id_of(1));
	world_end();
}

TEST("a repetition of the same state is the same message, byte for byte")
{
	begin();
	notify(COAX_NOTIFY_DEFAULT);
	pass_ms(3001);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(world.composed, 2);
	EXPECT_EQ(sent_before(0)->length, sent_before(1)->length);
	EXPECT_MEMEQ(sent_before(0)->data, sent_before(1)->data, sent_before(0)->length);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	EXPECT_EQ(COUNTED(notifications), 1);
	acknowledge(id_of(0));
	EXPECT_EQ(world.notified, 1);
	world_end();
}

TEST("a repetition of a newer state has a new message ID and goes on with the same back-off")
{
	uint64_t gap[4], first;

	begin();
	notify(COAX_NOTIFY_DEFAULT);
	for (int i = 0; i < 4; i++) {
		static const char *const states[] = {"two", "three", "four", "five"};

		first = sent_before(0)->at;
		world.state = states[i];
		while (world.sent_count == i + 1)
			pass_ms(1);
		EXPECT_TRUE(last_says(states[i]));
		EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
		EXPECT_NE(id_of(0), id_of(1));
		gap[i] = sent_before(0)->at - first;
		if (i)
			EXPECT_EQ(gap[i], 2 * gap[i - 1]);
	}
	EXPECT_EQ(world.notified, 0);
	pass_ms(48001);
	EXPECT_EQ(world.sent_count, 5);
	EXPECT_EQ(world.notified, 1);
	EXPECT_EQ(world.notified_result, -ETIMEDOUT);
	EXPECT_EQ(COUNTED(timeouts), 1);
	EXPECT_FALSE(notice.added);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("an ACK to the state before does not end the newer one, which gets all of its tries then")
{
	begin();
	notify(COAX_NOTIFY_DEFAULT);
	world.state = "two";
	pass_ms(3001);
	ASSERT_EQ(world.sent_count, 2);
	for (int i = 0; i < 3; i++) {
		acknowledge(id_of(1));
		EXPECT_EQ(world.notified, 0);
		EXPECT_EQ(notify(COAX_NOTIFY_DEFAULT), -EBUSY);
		world.state = i % 2 ? "two" : "three";
		pass_ms(3001);
		EXPECT_EQ(world.sent_count, 3 + i);
	}
	acknowledge(id_of(1));
	pass_ms(45001);
	EXPECT_EQ(world.sent_count, 9);
	EXPECT_EQ(world.notified, 0);
	acknowledge(id_of(0));
	EXPECT_EQ(world.notified_result, 0);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("RST to a CON or a NON, the latest or the one before, loses the observer")
{
	for (int back = 0; back < 2; back++) {
		begin_acknowledged(100);
		notify(COAX_NOTIFY_UNRELIABLE);
		notify(COAX_NOTIFY_UNRELIABLE);
		EXPECT_EQ((int)last_type(), COAX_TYPE_NON);
		reset(id_of(back));
		EXPECT_EQ(world.notified, 2);
		EXPECT_EQ(world.notified_result, -ECONNRESET);
		EXPECT_TRUE(world.notified_last == &notice);
		reset(id_of(back));
		EXPECT_EQ(world.notified, 2);
		EXPECT_EQ(COUNTED(resets_in), 2);
		world_end();

		begin_acknowledged(100);
		notify(COAX_NOTIFY_RELIABLE);
		reset(id_of(back));
		EXPECT_EQ(world.notified_result, -ECONNRESET);
		EXPECT_TRUE(nothing_is_due());
		world_end();
	}
}

TEST("RST from another endpoint, or to an older notification, does nothing")
{
	struct coax_path other = path_from(OBSERVER + 1);

	begin_acknowledged(100);
	notify(COAX_NOTIFY_UNRELIABLE);
	notify(COAX_NOTIFY_UNRELIABLE);
	reset(id_of(2));
	arrive_message_by(&other, COAX_TYPE_RST, COAX_EMPTY, id_of(0), 0);
	arrive_message_by(&other, COAX_TYPE_ACK, COAX_EMPTY, id_of(0), 0);
	EXPECT_EQ(world.notified, 1);
	EXPECT_TRUE(notice.added);
	world_end();
}

TEST("no more than one NON a round-trip time, as measured; what is sooner is confirmable")
{
	begin_acknowledged(200);
	pass_ms(199);
	notify(COAX_NOTIFY_DEFAULT);
	EXPECT_EQ((int)last_type(), COAX_TYPE_NON);
	pass_ms(199);
	notify(COAX_NOTIFY_DEFAULT);
	EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
	pass_ms(1000);
	acknowledge(id_of(0));
	/* 7/8 of 200 ms and 1/8 of 1000 ms */
	notify(COAX_NOTIFY_RELIABLE);
	EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
	acknowledge(id_of(0));
	pass_ms(260);
	notify(COAX_NOTIFY_DEFAULT);
	EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
	EXPECT_EQ(world.sent_count, 5);
	world_end();
}

TEST("where the round-trip time is not known, no more than one NON in 3 s")
{
	begin();
	notify(COAX_NOTIFY_DEFAULT);
	pass_ms(3001);
	/* To which of the two is not known. */
	acknowledge(id_of(0));
	notify(COAX_NOTIFY_DEFAULT);
	EXPECT_EQ((int)last_type(), COAX_TYPE_NON);
	pass_ms(2999);
	notify(COAX_NOTIFY_DEFAULT);
	EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
	world_end();
}

TEST("reliable ones are always confirmable, unreliable ones only every so often")
{
	begin_acknowledged(10);
	for (int i = 0; i < 3; i++) {
		pass_ms(100000);
		notify(COAX_NOTIFY_RELIABLE);
		EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
		acknowledge(id_of(0));
	}
	for (int i = 0; i < 3599; i++) {
		pass_ms(1000);
		notify(i % 2 ? COAX_NOTIFY_UNRELIABLE : COAX_NOTIFY_DEFAULT);
		EXPECT_EQ((int)last_type(), COAX_TYPE_NON);
	}
	pass_ms(1000);
	notify(COAX_NOTIFY_UNRELIABLE);
	EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
	world_end();
}

TEST("a network error loses the observers at that remote and no others, each once")
{
	struct coax_path path = path_from(OBSERVER);
	static struct coax_notice same, other;

	for (int removes = 0; removes < 2; removes++) {
		begin();
		world.removes = removes;
		observe_from(&same, OBSERVER);
		observe_from(&other, OBSERVER + 1);
		notify(COAX_NOTIFY_DEFAULT);
		coax_exchange_network_error(world.exchange, &path, EMSGSIZE);
		EXPECT_EQ(world.notified, 0);
		coax_exchange_network_error(world.exchange, &path, ECONNREFUSED);
		EXPECT_EQ(world.notified, 2);
		EXPECT_EQ(world.notified_result, -ECONNREFUSED);
		EXPECT_TRUE(nothing_is_due());
		EXPECT_TRUE(other.added);
		EXPECT_EQ(same.added, !removes);
		EXPECT_EQ(notice.added, !removes);
		world_end();
	}
}

TEST("when there is nothing to send after all, nothing is sent; a repetition ends it")
{
	begin();
	world.state = NULL;
	EXPECT_EQ(notify(COAX_NOTIFY_DEFAULT), 0);
	EXPECT_EQ(world.sent_count, 0);
	EXPECT_EQ(COUNTED(notifications), 0);
	world.state = "one";
	EXPECT_EQ(notify(COAX_NOTIFY_DEFAULT), 0);
	EXPECT_EQ((int)last_type(), COAX_TYPE_CON);
	world.state = NULL;
	pass_ms(3001);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(world.notified, 1);
	EXPECT_EQ(world.notified_result, 0);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

static void notify_again(void *arg, struct coax_notice *observer, int result)
{
	world_notified(arg, observer, result);
	if (!result && world.notified < 3)
		EXPECT_EQ(coax_exchange_notify(world.exchange, world.now, observer,
					       COAX_NOTIFY_RELIABLE),
			  0);
	else
		coax_exchange_notice_remove(world.exchange, observer);
}

TEST("the next one may be sent from `notified`, and the observer be removed")
{
	static const struct coax_exchange_ops ops = {
		.send = world_send, .compose = world_compose, .notified = notify_again};
	struct coax_exchange_options options = {
		.ops = &ops, .tuning = world_tuning, .stats = &world.stats, .seed = 1};

	world_start();
	world_end();
	world.state = "one";
	ASSERT_EQ(coax_exchange_create(&world.exchange, &options), 0);
	observe_from(&notice, OBSERVER);
	notify(COAX_NOTIFY_DEFAULT);
	for (int i = 0; i < 3; i++)
		acknowledge(id_of(0));
	EXPECT_EQ(world.notified, 3);
	EXPECT_EQ(world.sent_count, 3);
	EXPECT_FALSE(notice.added);
	EXPECT_TRUE(nothing_is_due());
	world_end();
}

TEST("a notice that was removed is found by nothing and sends nothing")
{
	begin();
	notify(COAX_NOTIFY_DEFAULT);
	coax_exchange_notice_remove(world.exchange, &notice);
	coax_exchange_notice_remove(world.exchange, &notice);
	acknowledge(id_of(0));
	reset(id_of(0));
	pass_ms(100000);
	EXPECT_EQ(world.sent_count, 1);
	EXPECT_EQ(world.notified, 0);
	EXPECT_EQ(notify(COAX_NOTIFY_DEFAULT), -EINVAL);
	EXPECT_EQ(COUNTED(ignored), 2);
	world_end();
}

TEST("observers of one remote do not wait for each other, and an ACK is one's own")
{
	static struct coax_notice other;

	begin();
	observe_from(&other, OBSERVER);
	notify(COAX_NOTIFY_DEFAULT);
	coax_exchange_notify(world.exchange, world.now, &other, COAX_NOTIFY_DEFAULT);
	EXPECT_EQ(world.sent_count, 2);
	acknowledge(id_of(1));
	EXPECT_TRUE(world.notified_last == &notice);
	acknowledge(id_of(0));
	EXPECT_TRUE(world.notified_last == &other);
	EXPECT_EQ(world.notified, 2);
	world_end();
}

TEST("the message ID of an unacknowledged notification is not given again")
{
	static struct coax_notice other;
	uint16_t first;

	begin();
	observe_from(&other, OBSERVER);
	coax_exchange_notify(world.exchange, world.now, &other, COAX_NOTIFY_DEFAULT);
	first = id_of(0);
	notify(COAX_NOTIFY_DEFAULT);
	acknowledge(id_of(0));
	for (int i = 0; i < 65536 + 10; i++) {
		notify(COAX_NOTIFY_UNRELIABLE);
		EXPECT_NE(id_of(0), first);
	}
	world_end();
}

TEST("no more than observers_max are taken, and one that goes makes room")
{
	static struct coax_notice many[1025];

	world_start();
	world.state = "one";
	for (int i = 0; i < 1024; i++)
		observe_from(&many[i], (uint16_t)(OBSERVER + i));
	EXPECT_EQ(coax_exchange_notice_add(world.exchange, &many[1024]), -ENOBUFS);
	EXPECT_FALSE(many[1024].added);
	for (int i = 0; i < 1024; i++)
		EXPECT_EQ(coax_exchange_notify(world.exchange, world.now, &many[i],
					       COAX_NOTIFY_DEFAULT),
			  0);
	coax_exchange_notice_remove(world.exchange, &many[7]);
	observe_from(&many[1024], OBSERVER);
	pass_ms(100000);
	EXPECT_EQ(world.notified, 1023);
	EXPECT_EQ(world.sent_count, 1 + 5 * 1023);
	world_end();
}

TEST("observers that do not answer keep nobody waiting: their repetitions come in portions")
{
	static struct coax_notice many[5000];
	struct coax_tuning tuning = world_tuning;
	int portions = 0;

	tuning.observers_max = 5000;
	world_start_with(&tuning, 1);
	world.state = "one";
	for (int i = 0; i < 5000; i++) {
		observe_from(&many[i], (uint16_t)(OBSERVER + i));
		coax_exchange_notify(world.exchange, world.now, &many[i], COAX_NOTIFY_DEFAULT);
	}
	world.now += 3001 * MS;
	while (coax_exchange_deadline(world.exchange) <= world.now) {
		int before = world.sent_count;

		coax_exchange_tick(world.exchange, world.now);
		EXPECT_LE(world.sent_count - before, 1024);
		portions++;
	}
	EXPECT_EQ(world.sent_count, 10000);
	EXPECT_GE(portions, 5);
	world_end();
}

TEST_MAIN()
