// SPDX-License-Identifier: BSD-2-Clause
/* Secure sessions are part of who a peer is (RFC 7252 section 9.1.1). */
#include "exchange_world.h"
#include <errno.h>

static struct coax_path in_session(uint64_t session)
{
	struct coax_path path = path_from(40000);

	path.session = session;
	return path;
}

static void ask_in(uint64_t session, bool observe, struct coax_pending **pending)
{
	const struct coax_ask ask = {.observe = observe};
	struct coax_path path = in_session(session);
	struct coax_message message;
	uint8_t buffer[64];

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	if (observe)
		coax_message_add_uint(&message, COAX_OBSERVE, 0);
	ASSERT_EQ(coax_exchange_request(world.exchange, world.now, &path, &message, &ask,
					world_done, NULL, pending),
		  0);
}

/* Answer the latest message in `session`, which need not be that which it left in. */
static void answer_in(uint64_t session, bool observe)
{
	struct coax_message sent = last_sent(), message;
	struct coax_path path = in_session(session);
	uint8_t buffer[64];

	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_ACK, COAX_CONTENT,
			   coax_message_id(&sent), coax_message_token(&sent),
			   coax_message_token_length(&sent));
	if (observe)
		coax_message_add_uint(&message, COAX_OBSERVE, 7);
	arrive_by(&path, message.data, message.length);
}

static void observe_in(struct coax_notice *notice, uint64_t session)
{
	memset(notice, 0, sizeof(*notice));
	notice->path = in_session(session);
	notice->token_length = 2;
	memcpy(notice->token, "ob", 2);
	ASSERT_EQ(coax_exchange_notice_add(world.exchange, notice), 0);
}

TEST("the same bytes in another session, or in none, are another request")
{
	static const uint64_t sessions[] = {1, 2, 0, 1ULL << 40};

	world_start();
	for (int i = 0; i < 4; i++) {
		struct coax_path path = in_session(sessions[i]);

		arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 77, 9);
		EXPECT_EQ(world.requests, i + 1);
		EXPECT_EQ(world.path.session, sessions[i]);
		EXPECT_EQ(sent_before(0)->path.session, sessions[i]);
	}
	world_end();
}

TEST("in one session they are a duplicate, which gets what the first got")
{
	struct coax_path path = in_session(5);

	world_start();
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 77, 9);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 77, 9);
	EXPECT_EQ(world.requests, 1);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_MEMEQ(sent_before(0)->data, sent_before(1)->data, sent_before(1)->length);
	EXPECT_EQ(sent_before(0)->path.session, 5U);
	world_end();
}

TEST("nobody else is told about duplicates in a session, nor asked whether one gets a reply")
{
	struct coax_path path = in_session(5);

	world_start();
	world.repeats_nothing = true;
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 77, 9);
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 77, 9);
	EXPECT_EQ(world.sent_count, 2);
	EXPECT_EQ(world.verdicts, 0);
	world.conduct = HOLDS;
	arrive_message_by(&path, COAX_TYPE_CON, COAX_POST, 78, 9);
	pass_ms(200);
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	EXPECT_EQ(world.verdicts, 0);
	/* Another message takes a name over. */
	world.conduct = ANSWERS;
	arrive_message_by(&path, COAX_TYPE_CON, COAX_PUT, 77, 9);
	EXPECT_EQ(world.verdicts, 0);
	world_end();
}

TEST("a response in another session than the request's answers nothing")
{
	static const uint64_t others[] = {2, 0};

	world_start();
	ask_in(1, false, NULL);
	for (int i = 0; i < 2; i++) {
		answer_in(others[i], false);
		EXPECT_EQ(world.results, 0);
	}
	EXPECT_EQ(COUNTED(ignored), 2);
	answer_in(1, false);
	EXPECT_EQ(world.results, 1);
	EXPECT_EQ(world.result, 0);
	world_end();
}

TEST("an ACK or a RST in another session is about nothing")
{
	struct coax_message message;
	uint16_t id;

	world_start();
	ask_in(1, false, NULL);
	message = last_sent();
	id = coax_message_id(&message);
	for (uint64_t session = 0; session < 3; session += 2) {
		struct coax_path path = in_session(session);

		arrive_message_by(&path, COAX_TYPE_ACK, COAX_EMPTY, id, 0);
		arrive_message_by(&path, COAX_TYPE_RST, COAX_EMPTY, id, 0);
	}
	EXPECT_EQ(world.results, 0);
	pass_ms(3000);
	EXPECT_EQ(COUNTED(retransmissions), 1);
	world_end();
}

TEST("what a group is asked is not answered in a session")
{
	const struct coax_ask ask = {.multicast = true, .timeout_ms = 1000};
	struct coax_path group = path_from(5683);
	struct coax_message message, sent;
	uint8_t buffer[64];

	world_start();
	group.remote = address("224.0.1.187", 5683);
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	ASSERT_EQ(coax_exchange_request(world.exchange, world.now, &group, &message, &ask,
					world_done, NULL, NULL),
		  0);
	sent = last_sent();
	coax_message_start(&message, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_CONTENT, 1,
			   coax_message_token(&sent), coax_message_token_length(&sent));
	group = in_session(3);
	arrive_by(&group, message.data, message.length);
	EXPECT_EQ(world.results, 0);
	group.session = 0;
	arrive_by(&group, message.data, message.length);
	EXPECT_EQ(world.results, 1);
	world_end();
}

TEST("NSTART counts for each session by itself")
{
	world_start();
	ask_in(1, false, NULL);
	ask_in(2, false, NULL);
	EXPECT_EQ(world.sent_count, 2);
	ask_in(2, false, NULL);
	EXPECT_EQ(world.sent_count, 2);
	world_end();
}

TEST("when a session ends, so do its requests: those on their way, those that wait, observations")
{
	struct coax_path path = in_session(1);

	world_start();
	ask_in(1, true, NULL);
	answer_in(1, true);
	ask_in(2, true, NULL);
	answer_in(2, true);
	EXPECT_EQ(world.results, 2);
	ask_in(1, false, NULL);
	ask_in(1, false, NULL);
	ask_in(2, false, NULL);
	coax_exchange_session_ended(world.exchange, &path, ECONNRESET);
	EXPECT_EQ(world.results, 5);
	EXPECT_EQ(world.result, -ECONNRESET);
	EXPECT_TRUE(world.last);
	answer_in(2, false);
	EXPECT_EQ(world.results, 6);
	EXPECT_EQ(world.result, 0);
	path.session = 2;
	coax_exchange_session_ended(world.exchange, &path, ECONNRESET);
	EXPECT_EQ(world.results, 7);
	EXPECT_EQ(coax_exchange_deadline(world.exchange), UINT64_MAX);
	world_end();
}

TEST("when a session ends, its observers are lost, and no others at that address")
{
	struct coax_notice first, second, plain;
	struct coax_path path = in_session(1);

	world_start();
	world.state = "one";
	world.removes = true;
	observe_in(&first, 1);
	observe_in(&second, 2);
	observe_in(&plain, 0);
	EXPECT_EQ(coax_exchange_notify(world.exchange, world.now, &first, COAX_NOTIFY_DEFAULT), 0);
	coax_exchange_session_ended(world.exchange, &path, ECONNRESET);
	EXPECT_EQ(world.notified, 1);
	EXPECT_EQ(world.notified_last, &first);
	EXPECT_EQ(coax_exchange_deadline(world.exchange), UINT64_MAX);
	world_end();
}

TEST("an ACK in another session is not about a notification, nor is a RST")
{
	struct coax_notice first, second;
	struct coax_path other = in_session(2);
	struct coax_message message;

	world_start();
	world.state = "one";
	observe_in(&first, 1);
	observe_in(&second, 2);
	EXPECT_EQ(coax_exchange_notify(world.exchange, world.now, &first, COAX_NOTIFY_DEFAULT), 0);
	message = last_sent();
	arrive_message_by(&other, COAX_TYPE_ACK, COAX_EMPTY, coax_message_id(&message), 0);
	arrive_message_by(&other, COAX_TYPE_RST, COAX_EMPTY, coax_message_id(&message), 0);
	EXPECT_EQ(world.notified, 0);
	arrive_message_by(&first.path, COAX_TYPE_ACK, COAX_EMPTY, coax_message_id(&message), 0);
	EXPECT_EQ(world.notified, 1);
	EXPECT_EQ(world.notified_result, 0);
	world_end();
}

TEST("a separate response is retransmitted in its session until that ends")
{
	struct coax_path path = in_session(4);

	world_start();
	world.conduct = HOLDS;
	arrive_message_by(&path, COAX_TYPE_CON, COAX_GET, 1, 9);
	pass_ms(200);
	EXPECT_EQ(world_answer(COAX_CONTENT), 0);
	pass_ms(4000);
	EXPECT_LT(0, COUNTED(retransmissions));
	EXPECT_EQ(sent_before(0)->path.session, 4U);
	coax_exchange_session_ended(world.exchange, &path, ECONNRESET);
	EXPECT_EQ(coax_exchange_deadline(world.exchange), UINT64_MAX);
	world_end();
}

TEST_MAIN()
