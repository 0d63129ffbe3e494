// SPDX-License-Identifier: BSD-2-Clause
/* What duplicates get, once userspace has written down what it decided about the first. */
#include <time.h>
#include <coax/digest.h>
#include "hooks.h"

/* The kernel, its records, and the secret that both halves have. */
struct dedup {
	struct kernel kernel;
	struct coax_exchange_record *records;
	struct coax_secret secret;
};

static void dedup_prepare(struct dedup *dedup)
{
	uint8_t *bytes = (uint8_t *)&dedup->secret;
	const uint32_t only = 0;
	uint32_t state = 12345;

	for (size_t i = 0; i < sizeof(dedup->secret); i++) {
		state = state * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(state >> 24);
	}
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&dedup->kernel, "secret"), &only, &dedup->secret,
				      BPF_ANY),
		  0);
	dedup->records = kernel_mmap(kernel_map(&dedup->kernel, "exchanges"),
				     KERNEL_EXCHANGES * sizeof(*dedup->records));
	dedup->kernel.config->exchanges = KERNEL_EXCHANGES;
}

static void dedup_open(struct dedup *dedup)
{
	exchange_open(&dedup->kernel);
	dedup_prepare(dedup);
}

static volatile struct hooks *dedup_open_hooked(struct dedup *dedup)
{
	volatile struct hooks *hooks = hooked_open(&dedup->kernel);

	dedup_prepare(dedup);
	return hooks;
}

static void dedup_close(struct dedup *dedup)
{
	kernel_close(&dedup->kernel);
}

/* A request that only userspace answers. */
struct post {
	struct frame_flow flow;
	uint8_t type;
	uint8_t code;
	uint16_t message_id;
	size_t token_length;
	size_t length; /* of what follows the token */
};

static struct post post_default(bool ipv6)
{
	return (struct post){
		.flow = kernel_flow(ipv6),
		.type = COAX_TYPE_CON,
		.code = COAX_POST,
		.message_id = EXCHANGE_MESSAGE_ID,
		.token_length = 4,
		.length = 33,
	};
}

static size_t post_message(const struct post *post, uint8_t *message)
{
	uint8_t rest[FRAME_MAX];

	exchange_fill(rest, post->length, 9);
	return frame_message(message, post->type, post->code, post->message_id, exchange_token,
			     post->token_length, rest, post->length);
}

static void post_frame(const struct post *post, struct frame *frame)
{
	uint8_t message[FRAME_MAX];

	frame_build(frame, &post->flow, message, post_message(post, message));
}

static void put_address(uint8_t *out, const uint8_t *ip, bool ipv6)
{
	memset(out, 0, 16);
	if (ipv6) {
		memcpy(out, ip, 16);
		return;
	}
	out[10] = out[11] = 0xff;
	memcpy(out + 12, ip, 4);
}

static struct coax_exchange_name post_name(const struct post *post)
{
	const struct frame_flow *flow = &post->flow;
	struct coax_exchange_name name = {
		.peer_port = flow->source_port,
		.local_port = flow->destination_port,
		.message_id = post->message_id,
	};

	put_address(name.peer, flow->source_ip, flow->ipv6);
	put_address(name.local, flow->destination_ip, flow->ipv6);
	return name;
}

/* Where userspace writes it: `way` of the records that its name leads to. */
static struct coax_exchange_record *record_of(const struct dedup *dedup, const struct post *post,
					      uint32_t way)
{
	struct coax_exchange_name name = post_name(post);
	uint64_t hash = coax_digest(&dedup->secret.digest, &name, sizeof(name));

	return &dedup->records[(hash & (KERNEL_EXCHANGES - 1) & ~1ULL) + way];
}

static struct coax_exchange_record *record(const struct dedup *dedup, const struct post *post,
					   enum coax_exchange_verdict verdict, const void *reply,
					   size_t length)
{
	struct coax_exchange_record *record = record_of(dedup, post, 0);
	uint8_t message[FRAME_MAX];
	size_t bytes = post_message(post, message);

	record->name = post_name(post);
	record->digest = coax_digest(&dedup->secret.digest, message, (uint32_t)bytes);
	record->expires = COAX_NEVER;
	record->verdict = verdict;
	record->reply_length = (uint16_t)length;
	if (length)
		memcpy(record->reply, reply, length);
	record->reply_sum = kernel_memory_sum(record->reply, length);
	return record;
}

static size_t make_reply(const struct post *post, uint8_t *reply, size_t payload)
{
	uint8_t rest[COAX_REPEAT_MAX];

	exchange_fill(rest, payload, 2);
	return frame_message(reply, post->type == COAX_TYPE_CON ? COAX_TYPE_ACK : COAX_TYPE_NON,
			     COAX_CHANGED, post->message_id, exchange_token, post->token_length,
			     rest, payload);
}

#define EXPECT_POST(dedup, post, name)                                  \
	do {                                                            \
		struct frame frame_of_post;                             \
		post_frame(post, &frame_of_post);                       \
		EXPECT_OUTCOME(&(dedup)->kernel, &frame_of_post, name); \
	} while (0)

static void expect_repeat(const struct dedup *dedup, const struct post *post, const void *reply,
			  size_t length, const char *what)
{
	struct frame_flow back = frame_flow_back(&post->flow);
	struct frame request, wanted;
	struct verdict verdict;

	post_frame(post, &request);
	frame_build(&wanted, &back, reply, length);
	kernel_expect(&dedup->kernel, &request, offsetof(struct coax_stats, repeat), &verdict,
		      what);
	exchange_expect_frame(&verdict, &wanted, what);
}

TEST("a request without a verdict passes")
{
	struct dedup dedup;

	dedup_open(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct post post = post_default(ipv6);

		EXPECT_POST(&dedup, &post, pass_method);
		record(&dedup, &post, COAX_EXCHANGE_NONE, NULL, 0);
		EXPECT_POST(&dedup, &post, pass_method);
	}
	dedup_close(&dedup);
}

TEST("a duplicate of a request that is being handled is dropped")
{
	struct dedup dedup;

	dedup_open(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (uint8_t type = COAX_TYPE_CON; type <= COAX_TYPE_NON; type++) {
			struct post post = post_default(ipv6);

			post.type = type;
			record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
			EXPECT_POST(&dedup, &post, drop_duplicate);
		}
	}
	dedup_close(&dedup);
}

TEST("a duplicate of an answered request gets the same reply: any length, token, IP version")
{
	uint8_t reply[COAX_REPEAT_MAX];
	struct dedup dedup;
	size_t length;
	char what[64];

	dedup_open(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t token = 0; token <= COAX_TOKEN_MAX; token++) {
			struct post post = post_default(ipv6);

			post.token_length = token;
			for (size_t payload = 0; payload + 4 + token <= COAX_REPEAT_MAX;
			     payload++) {
				length = make_reply(&post, reply, payload);
				record(&dedup, &post, COAX_EXCHANGE_ANSWERED, reply, length);
				snprintf(what, sizeof(what), "IPv%d token %zu payload %zu",
					 ipv6 ? 6 : 4, token, payload);
				expect_repeat(&dedup, &post, reply, length, what);
			}
		}
	}
	dedup_close(&dedup);
}

TEST("a duplicate of what was acknowledged gets its empty ACK, which has no token")
{
	struct dedup dedup;

	dedup_open(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct post post = post_default(ipv6);
		uint8_t ack[4];

		frame_message(ack, COAX_TYPE_ACK, COAX_EMPTY, post.message_id, NULL, 0, NULL, 0);
		record(&dedup, &post, COAX_EXCHANGE_HELD, ack, sizeof(ack));
		expect_repeat(&dedup, &post, ack, sizeof(ack), "empty ACK");
	}
	dedup_close(&dedup);
}

TEST("replies to duplicates have right checksums, whatever checksum the duplicate came with")
{
	static const enum frame_checksum kinds[] = {FRAME_CHECKSUM_FULL, FRAME_CHECKSUM_PARTIAL,
						    FRAME_CHECKSUM_ZERO};
	uint8_t reply[COAX_REPEAT_MAX];
	struct dedup dedup;

	dedup_open(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t i = 0; i < (ipv6 ? 2 : 3); i++) {
			struct post post = post_default(ipv6);
			size_t length = make_reply(&post, reply, 21);

			post.flow.checksum = kinds[i];
			record(&dedup, &post, COAX_EXCHANGE_ANSWERED, reply, length);
			expect_repeat(&dedup, &post, reply, length, "checksum");
		}
	}
	dedup_close(&dedup);
}

TEST("tags and padding of a duplicate do not matter to its reply")
{
	uint8_t reply[COAX_REPEAT_MAX];
	struct dedup dedup;

	dedup_open(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct post post = post_default(ipv6);
		size_t length = make_reply(&post, reply, 21);

		record(&dedup, &post, COAX_EXCHANGE_ANSWERED, reply, length);
		post.flow.padding = 18;
		expect_repeat(&dedup, &post, reply, length, "padding");
		for (post.flow.tags = 1; post.flow.tags <= 2; post.flow.tags++)
			expect_repeat(&dedup, &post, reply, length, "tags");
	}
	dedup_close(&dedup);
}

TEST_TIMEOUT("both halves digest alike, and a byte that differs is another message: all lengths",
	     120)
{
	struct dedup dedup;
	struct frame frame;

	dedup_open(&dedup);
	for (size_t length = 0; length + 8 <= COAX_REPEATED_MAX; length++) {
		struct post post = post_default(length % 2);

		post.length = length;
		record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
		EXPECT_POST(&dedup, &post, drop_duplicate);
		post_frame(&post, &frame);
		frame.bytes[frame.length - 1] ^= 1;
		EXPECT_OUTCOME(&dedup.kernel, &frame, pass_method);
		post.length++;
		EXPECT_POST(&dedup, &post, pass_method);
	}
	dedup_close(&dedup);
}

TEST("any bit of header, token or payload makes another message, also with the same message ID")
{
	struct post post = post_default(false);
	struct dedup dedup;
	struct frame frame;

	dedup_open(&dedup);
	record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
	post_frame(&post, &frame);
	for (size_t bit = 8 * frame.coap; bit < 8 * frame.length; bit++) {
		struct coax_stats stats;
		struct verdict verdict;

		frame.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		kernel_take_stats(&dedup.kernel);
		ASSERT_EQ(kernel_run(&dedup.kernel, &frame, &verdict), 0);
		stats = kernel_take_stats(&dedup.kernel);
		EXPECT_EQ(stats.drop_duplicate + stats.repeat, 0ULL);
		frame.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	EXPECT_OUTCOME(&dedup.kernel, &frame, drop_duplicate);
	dedup_close(&dedup);
}

TEST("a message longer than what is looked at passes")
{
	struct post post = post_default(false);
	struct dedup dedup;

	dedup_open(&dedup);
	post.length = COAX_REPEATED_MAX - 4 - post.token_length;
	record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
	EXPECT_POST(&dedup, &post, drop_duplicate);
	post.length++;
	record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
	EXPECT_POST(&dedup, &post, pass_method);
	dedup_close(&dedup);
}

TEST("the same message from another address or port, or to another one, passes")
{
	struct dedup dedup;

	dedup_open(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct post post = post_default(ipv6), other = post;

		/* One set, so that nothing but the name tells them apart. */
		for (int way = 0; way < KERNEL_EXCHANGES; way++) {
			dedup.records[way] = *record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
		}
		EXPECT_POST(&dedup, &post, drop_duplicate);
		other.flow.source_port++;
		EXPECT_POST(&dedup, &other, pass_method);
		other = post;
		other.flow.source_ip[ipv6 ? 15 : 3] ^= 1;
		EXPECT_POST(&dedup, &other, pass_method);
		other = post;
		other.flow.destination_ip[ipv6 ? 15 : 3] ^= 4;
		kernel_add_endpoint(&dedup.kernel, &other.flow);
		EXPECT_POST(&dedup, &other, pass_method);
		other = post;
		other.flow.destination_port++;
		kernel_add_endpoint(&dedup.kernel, &other.flow);
		EXPECT_POST(&dedup, &other, pass_method);
	}
	dedup_close(&dedup);
}

static struct post post_link_local(void)
{
	struct post post = post_default(true);

	memcpy(post.flow.source_ip, (uint8_t[16]){0xfe, 0x80, [15] = 2}, 16);
	return post;
}

/* It is held, from a peer at that interface. */
static void record_zone(const struct dedup *dedup, const struct post *post, uint16_t zone)
{
	struct coax_exchange_record held = *record(dedup, post, COAX_EXCHANGE_HELD, NULL, 0);
	uint64_t hash;

	held.name.zone = zone;
	hash = coax_digest(&dedup->secret.digest, &held.name, sizeof(held.name));
	dedup->records[hash & (KERNEL_EXCHANGES - 1) & ~1ULL] = held;
}

#define LOOPBACK_INDEX 1 /* whose frames BPF_PROG_TEST_RUN's are */

TEST("link-local peers are told apart by the interface that they are at")
{
	struct post post = post_link_local();
	struct dedup dedup;

	dedup_open(&dedup);
	record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
	EXPECT_POST(&dedup, &post, pass_method);
	record_zone(&dedup, &post, LOOPBACK_INDEX);
	EXPECT_POST(&dedup, &post, drop_duplicate);
	dedup_close(&dedup);
}

TEST("behind a port of a bridge, the bridge is the interface that they are at")
{
	struct post post = post_link_local();
	volatile struct coax_place *place;
	struct dedup dedup;

	dedup_open(&dedup);
	place = kernel_variables(&dedup.kernel, ".data.place");
	place->port = 1;
	place->device = 77;
	record_zone(&dedup, &post, LOOPBACK_INDEX);
	EXPECT_POST(&dedup, &post, pass_method);
	record_zone(&dedup, &post, 77);
	EXPECT_POST(&dedup, &post, drop_duplicate);
	dedup_close(&dedup);
}

TEST("a link-local peer in a VLAN is not one at the interface below")
{
	struct post post = post_link_local();
	struct dedup dedup;

	dedup_open(&dedup);
	record_zone(&dedup, &post, LOOPBACK_INDEX);
	post.flow.tags = 1;
	EXPECT_POST(&dedup, &post, pass_method);
	dedup_close(&dedup);
}

TEST("both ways of a set are looked at, and no other record")
{
	struct post post = post_default(false);
	struct coax_exchange_record *first;
	struct dedup dedup;

	dedup_open(&dedup);
	first = record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
	*record_of(&dedup, &post, 1) = *first;
	first->expires = 0;
	EXPECT_POST(&dedup, &post, drop_duplicate);
	for (int i = 0; i < KERNEL_EXCHANGES; i++)
		if (&dedup.records[i] != record_of(&dedup, &post, 0) &&
		    &dedup.records[i] != record_of(&dedup, &post, 1))
			dedup.records[i] = *record_of(&dedup, &post, 1);
	record_of(&dedup, &post, 1)->expires = 0;
	EXPECT_POST(&dedup, &post, pass_method);
	dedup_close(&dedup);
}

TEST("a verdict holds until its message's lifetime ends, while the lease runs, for its owner")
{
	struct post post = post_default(false);
	struct coax_exchange_record *verdict;
	struct dedup dedup;
	struct timespec now;

	dedup_open(&dedup);
	verdict = record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	verdict->expires = (uint64_t)(now.tv_sec + 100) * 1000000000;
	EXPECT_POST(&dedup, &post, drop_duplicate);
	verdict->expires = (uint64_t)now.tv_sec * 1000000000;
	EXPECT_POST(&dedup, &post, pass_method);
	verdict->expires = COAX_NEVER;
	dedup.kernel.config->lease = 1;
	EXPECT_POST(&dedup, &post, pass_lease);
	dedup.kernel.config->lease = COAX_NEVER;
	dedup.kernel.config->owner++;
	EXPECT_POST(&dedup, &post, pass_disabled);
	dedup.kernel.config->owner--;
	dedup.kernel.config->enabled = 0;
	EXPECT_POST(&dedup, &post, pass_disabled);
	dedup.kernel.config->enabled = 1;
	dedup.kernel.config->exchanges = 0;
	EXPECT_POST(&dedup, &post, pass_method);
	dedup_close(&dedup);
}

TEST("a record that is being written says nothing")
{
	struct post post = post_default(false);
	struct dedup dedup;

	dedup_open(&dedup);
	record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0)->sequence = 5;
	EXPECT_POST(&dedup, &post, pass_method);
	record_of(&dedup, &post, 0)->sequence = 6;
	EXPECT_POST(&dedup, &post, drop_duplicate);
	dedup_close(&dedup);
}

TEST("a length that no reply has, in a record that is no good, does no harm")
{
	struct post post = post_default(false);
	struct dedup dedup;

	dedup_open(&dedup);
	record(&dedup, &post, COAX_EXCHANGE_ANSWERED, NULL, 0)->reply_length = COAX_REPEAT_MAX + 1;
	EXPECT_POST(&dedup, &post, pass_method);
	record_of(&dedup, &post, 0)->reply_length = 0xffff;
	EXPECT_POST(&dedup, &post, pass_method);
	dedup_close(&dedup);
}

TEST("a reply longer than the MTU is left to userspace")
{
	struct post post = post_default(false);
	uint8_t reply[COAX_REPEAT_MAX];
	struct dedup dedup;
	size_t length;

	dedup_open(&dedup);
	length = make_reply(&post, reply, 100);
	record(&dedup, &post, COAX_EXCHANGE_ANSWERED, reply, length);
	dedup.kernel.link->mtu = (uint16_t)(28 + length);
	expect_repeat(&dedup, &post, reply, length, "as long as the MTU");
	dedup.kernel.link->mtu--;
	EXPECT_POST(&dedup, &post, pass_no_room);
	dedup_close(&dedup);
}

TEST("what duplicates get beyond the amplification factor counts like any reply, and has an end")
{
	struct post post = post_default(false);
	struct coax_guard_config *guard;
	uint8_t reply[COAX_REPEAT_MAX];
	struct dedup dedup;
	size_t length;

	dedup_open(&dedup);
	guard = (struct coax_guard_config *)&dedup.kernel.config->guard;
	guard->replies = (struct coax_rate){1000000000ULL << 16, 0};
	length = make_reply(&post, reply, 150);
	record(&dedup, &post, COAX_EXCHANGE_ANSWERED, reply, length);
	for (int i = 0; i < 3; i++)
		expect_repeat(&dedup, &post, reply, length, "without a factor");
	guard->factor = 1;
	dedup.kernel.link->mtu = (uint16_t)(27 + length);
	for (int i = 0; i < 3; i++)
		EXPECT_POST(&dedup, &post, pass_no_room);
	dedup.kernel.link->mtu = KERNEL_MTU;
	expect_repeat(&dedup, &post, reply, length, "the first");
	EXPECT_POST(&dedup, &post, drop_amplified);
	guard->factor = 3;
	expect_repeat(&dedup, &post, reply, length, "within the factor");
	dedup_close(&dedup);
}

TEST("a GET that is published is answered from its slot, also when it has a verdict")
{
	struct exchange exchange = exchange_default(false);
	struct coax_exchange_record *verdict;
	struct dedup dedup;
	struct frame frame;

	dedup_open(&dedup);
	exchange_request(&exchange, &frame);
	verdict = record(&dedup,
			 &(struct post){.flow = exchange.flow, .message_id = EXCHANGE_MESSAGE_ID},
			 COAX_EXCHANGE_HELD, NULL, 0);
	verdict->digest = coax_digest(&dedup.secret.digest, frame.bytes + frame.coap,
				      (uint32_t)(frame.length - frame.coap));
	exchange_expect(&dedup.kernel, &exchange, "published");
	dedup.kernel.slots[EXCHANGE_SLOT].deadline = 0;
	EXPECT_OUTCOME(&dedup.kernel, &frame, drop_duplicate);
	dedup_close(&dedup);
}

TEST("requests of any method, known or not, and long GETs have duplicates; other messages have none")
{
	struct dedup dedup;

	dedup_open(&dedup);
	for (unsigned int code = 1; code < 32; code++) {
		struct post post = post_default(false);

		post.code = (uint8_t)code;
		record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
		EXPECT_POST(&dedup, &post, drop_duplicate);
		post.length = COAX_KEY_MAX + 1;
		record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
		EXPECT_POST(&dedup, &post, drop_duplicate);
	}
	for (unsigned int i = 0; i < 3; i++) {
		struct post post = post_default(false);

		post.code = i ? COAX_CONTENT : COAX_POST;
		post.type = i == 1 ? COAX_TYPE_CON : COAX_TYPE_ACK;
		record(&dedup, &post, COAX_EXCHANGE_HELD, NULL, 0);
		EXPECT_POST(&dedup, &post, pass_message);
	}
	dedup_close(&dedup);
}

TEST("a record that changes under the reply lets the frame be dropped, never sent or passed")
{
	struct post post = post_default(false);
	uint8_t reply[COAX_REPEAT_MAX];
	volatile struct hooks *hooks;
	struct dedup dedup;
	size_t length;

	hooks = dedup_open_hooked(&dedup);
	length = make_reply(&post, reply, 100);
	hooks->race_record =
		(uint32_t)(record(&dedup, &post, COAX_EXCHANGE_ANSWERED, reply, length) -
			   dedup.records);
	hooks->race = 1;
	EXPECT_POST(&dedup, &post, drop_raced);
	hooks->race_record ^= 1;
	expect_repeat(&dedup, &post, reply, length, "another record changed");
	dedup_close(&dedup);
}

TEST("a reply grows in front of the frame, or the duplicate passes as it came")
{
	uint8_t reply[COAX_REPEAT_MAX];
	volatile struct hooks *hooks;
	struct dedup dedup;

	hooks = dedup_open_hooked(&dedup);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct post post = post_default(ipv6);

		hooks->no_tail = 1;
		for (size_t payload = 0; payload <= 150; payload++) {
			size_t length = make_reply(&post, reply, payload);

			record(&dedup, &post, COAX_EXCHANGE_ANSWERED, reply, length);
			expect_repeat(&dedup, &post, reply, length, "at the head");
		}
		hooks->no_head = 1;
		EXPECT_POST(&dedup, &post, pass_no_room);
		hooks->no_head = 0;
	}
	dedup_close(&dedup);
}

TEST_MAIN()
