// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bodies in blocks, from the client's side (RFC 7959), and the challenges that come between
 * (RFC 9175), with a peer that answers as the test says.
 */
#include "../requester.h"

/* A request under way to a peer. */
struct scene {
	struct coax_context *context;
	struct peer peer;
	struct outcome *outcome;
	const uint8_t *bytes;
};

static struct scene set_up(void)
{
	struct scene scene = {.bytes = numbered_bytes()};

	scene.context = requester_start(1);
	peer_open(&scene.peer);
	scene.outcome = calloc(1, sizeof(*scene.outcome));
	sem_init(&scene.outcome->told, 0, 0);
	return scene;
}

static void tear_down(struct scene *scene)
{
	coax_context_shutdown(scene->context);
	EXPECT_EQ(scene->outcome->calls, 1);
	close(scene->peer.fd);
	free(scene->outcome);
}

static void ask(struct scene *scene, uint8_t code, size_t length,
		const struct coax_request_options *options)
{
	static uint8_t buffer[1 << 17];
	struct coax_message message = request_message(buffer, sizeof(buffer), code, "thing");

	if (length)
		ASSERT_EQ(coax_message_set_payload(&message, scene->bytes, length), 0);
	ASSERT_EQ(coax_request(scene->context, &scene->peer.address, &message, options,
			       outcome_take, scene->outcome, &scene->outcome->request),
		  0);
}

/* A block of the response. */
static void answer_block2(struct scene *scene, uint8_t code, uint32_t number, bool more,
			  uint8_t exponent, const char *etag, size_t length)
{
	struct peer *peer = &scene->peer;

	peer_begin(peer, code);
	if (etag)
		coax_message_add_string(&peer->reply, COAX_ETAG, etag);
	peer_add_block(peer, COAX_BLOCK2, number, more, exponent);
	coax_message_set_payload(&peer->reply, scene->bytes + ((size_t)number << (exponent + 4)),
				 length);
	peer_send(peer);
}

/* The acknowledgement of a block of the request. */
static void answer_block1(struct scene *scene, uint8_t code, uint32_t number, bool more,
			  uint8_t exponent)
{
	peer_begin(&scene->peer, code);
	peer_add_block(&scene->peer, COAX_BLOCK1, number, more, exponent);
	peer_send(&scene->peer);
}

static void expect_result(struct scene *scene, int result, uint8_t code, size_t length)
{
	struct outcome *outcome = scene->outcome;

	outcome_wait(outcome);
	EXPECT_EQ(outcome->result, result);
	EXPECT_EQ(outcome->has_response, code != 0);
	if (!code)
		return;
	EXPECT_EQ(outcome->code, code);
	ASSERT_EQ(outcome->length, length);
	if (length && COAX_CODE_CLASS(code) == 2)
		EXPECT_MEMEQ(outcome->payload, scene->bytes, length);
}

static void expect_payload(const struct scene *scene, uint64_t offset, size_t wanted)
{
	const uint8_t *payload;
	size_t length;

	payload = coax_message_payload(&scene->peer.request, &length);
	ASSERT_EQ(length, wanted);
	if (length)
		EXPECT_MEMEQ(payload, scene->bytes + offset, length);
}

TEST("a response in blocks is fetched one after the other, each with a token of its own")
{
	struct scene scene = set_up();
	uint8_t tokens[3][8];

	ask(&scene, COAX_GET, 0, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		peer_take(&scene.peer);
		EXPECT_TRUE(peer_was_sent(&scene.peer, COAX_URI_PATH));
		peer_expect_block(&scene.peer, COAX_BLOCK2, i ? (int)i : -1, false, 5);
		ASSERT_EQ(coax_message_token_length(&scene.peer.request), 8U);
		memcpy(tokens[i], coax_message_token(&scene.peer.request), 8);
		answer_block2(&scene, COAX_CONTENT, i, i < 2, 5, "x", i < 2 ? 512 : 100);
	}
	expect_result(&scene, 0, COAX_CONTENT, 1124);
	EXPECT_NE(memcmp(tokens[0], tokens[1], 8), 0);
	EXPECT_NE(memcmp(tokens[1], tokens[2], 8), 0);
	tear_down(&scene);
}

TEST("smaller blocks are asked for from the start")
{
	const struct coax_request_options options = {.block_size = 64};
	struct scene scene = set_up();

	ask(&scene, COAX_GET, 0, &options);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK2, 0, false, 2);
	answer_block2(&scene, COAX_CONTENT, 0, true, 2, NULL, 64);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK2, 1, false, 2);
	answer_block2(&scene, COAX_CONTENT, 1, false, 2, NULL, 1);
	expect_result(&scene, 0, COAX_CONTENT, 65);
	tear_down(&scene);
}

TEST("a body goes in blocks, each acknowledged before the next, with Size1 in the first")
{
	const struct coax_request_options options = {.block_size = 16};
	struct scene scene = set_up();
	struct coax_option tag;
	uint8_t first_tag[8];
	uint32_t size = 0;

	ask(&scene, COAX_PUT, 40, &options);
	for (uint32_t i = 0; i < 3; i++) {
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK1, (int)i, i < 2, 0);
		expect_payload(&scene, 16 * i, i < 2 ? 16 : 8);
		EXPECT_EQ(coax_message_find_uint(&scene.peer.request, COAX_SIZE1, &size), i == 0);
		EXPECT_EQ(size, 40U);
		ASSERT_TRUE(coax_message_find(&scene.peer.request, COAX_REQUEST_TAG, &tag));
		ASSERT_EQ(tag.length, 4U);
		if (i == 0)
			memcpy(first_tag, tag.value, 4);
		EXPECT_MEMEQ(first_tag, tag.value, 4);
		EXPECT_FALSE(peer_takes_within(&scene.peer, 20));
		answer_block1(&scene, i < 2 ? COAX_CONTINUE : COAX_CHANGED, i, i < 2, 0);
	}
	expect_result(&scene, 0, COAX_CHANGED, 0);
	tear_down(&scene);
}

TEST("what fits into one message has neither Block1 nor a tag")
{
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 1024, NULL);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK1, -1, false, 0);
	EXPECT_FALSE(peer_was_sent(&scene.peer, COAX_REQUEST_TAG));
	EXPECT_FALSE(peer_was_sent(&scene.peer, COAX_SIZE1));
	expect_payload(&scene, 0, 1024);
	peer_answer(&scene.peer, COAX_CHANGED, NULL, 0);
	expect_result(&scene, 0, COAX_CHANGED, 0);
	tear_down(&scene);
}

TEST("blocks become smaller where the server wants them so")
{
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 1040, NULL);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK1, 0, true, 6);
	answer_block1(&scene, COAX_CONTINUE, 0, true, 0);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK1, 64, false, 0);
	expect_payload(&scene, 1024, 16);
	answer_block1(&scene, COAX_CHANGED, 64, false, 0);
	expect_result(&scene, 0, COAX_CHANGED, 0);
	tear_down(&scene);
}

TEST("the answer to the last block may come in blocks itself, asked for without the body")
{
	const struct coax_request_options options = {.block_size = 32};
	struct scene scene = set_up();

	ask(&scene, COAX_POST, 64, &options);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK2, -1, false, 0);
	answer_block1(&scene, COAX_CONTINUE, 0, true, 1);
	peer_take(&scene.peer);
	/* RFC 7959 figure 11: early negotiation with the last block. */
	peer_expect_block(&scene.peer, COAX_BLOCK2, 0, false, 1);
	peer_begin(&scene.peer, COAX_CHANGED);
	peer_add_block(&scene.peer, COAX_BLOCK2, 0, true, 1);
	peer_add_block(&scene.peer, COAX_BLOCK1, 1, false, 1);
	coax_message_set_payload(&scene.peer.reply, scene.bytes, 32);
	peer_send(&scene.peer);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK2, 1, false, 1);
	peer_expect_block(&scene.peer, COAX_BLOCK1, -1, false, 0);
	EXPECT_TRUE(peer_was_sent(&scene.peer, COAX_REQUEST_TAG));
	EXPECT_EQ(coax_message_code(&scene.peer.request), COAX_POST);
	expect_payload(&scene, 0, 0);
	answer_block2(&scene, COAX_CHANGED, 1, false, 1, NULL, 10);
	expect_result(&scene, 0, COAX_CHANGED, 42);
	tear_down(&scene);
}

TEST("a FETCH for a further block has its payload again, for it says what is asked for")
{
	struct scene scene = set_up();

	ask(&scene, COAX_FETCH, 30, NULL);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 0, true, 0, NULL, 16);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK2, 1, false, 0);
	expect_payload(&scene, 0, 30);
	answer_block2(&scene, COAX_CONTENT, 1, false, 0, NULL, 16);
	expect_result(&scene, 0, COAX_CONTENT, 32);
	tear_down(&scene);
}

TEST("a FETCH whose representation changes is sent anew, body and all")
{
	const struct coax_request_options options = {.block_size = 16};
	struct scene scene = set_up();

	ask(&scene, COAX_FETCH, 20, &options);
	for (int round = 0; round < 2; round++) {
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK1, 0, true, 0);
		answer_block1(&scene, COAX_CONTINUE, 0, true, 0);
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK1, 1, false, 0);
		answer_block2(&scene, COAX_CONTENT, 0, true, 0, round ? "b" : "a", 16);
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK2, 1, false, 0);
		answer_block2(&scene, COAX_CONTENT, 1, false, 0, "b", 4);
	}
	expect_result(&scene, 0, COAX_CONTENT, 20);
	tear_down(&scene);
}

TEST("a representation that changes is fetched from the beginning, three times, then given up")
{
	static const char *const etags[] = {"a", "b", "c", "d", "e"};
	struct scene scene = set_up();

	ask(&scene, COAX_GET, 0, NULL);
	for (int i = 0; i < 4; i++) {
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK2, i ? 0 : -1, false, 2);
		answer_block2(&scene, COAX_CONTENT, 0, true, 2, etags[i], 64);
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK2, 1, false, 2);
		answer_block2(&scene, COAX_CONTENT, 1, true, 2, etags[i + 1], 64);
	}
	expect_result(&scene, -ESTALE, 0, 0);
	tear_down(&scene);
}

TEST("a POST is not made again because its response changed")
{
	struct scene scene = set_up();

	ask(&scene, COAX_POST, 5, NULL);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CHANGED, 0, true, 2, "a", 64);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CHANGED, 1, true, 2, "b", 64);
	expect_result(&scene, -ESTALE, 0, 0);
	EXPECT_FALSE(peer_takes_within(&scene.peer, 20));
	tear_down(&scene);
}

TEST("4.08 has a body sent once more, then it is the answer")
{
	const struct coax_request_options options = {.block_size = 16};
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 40, &options);
	for (int round = 0; round < 2; round++) {
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK1, 0, true, 0);
		answer_block1(&scene, COAX_CONTINUE, 0, true, 0);
		peer_take(&scene.peer);
		peer_expect_block(&scene.peer, COAX_BLOCK1, 1, true, 0);
		answer_block1(&scene, COAX_REQUEST_ENTITY_INCOMPLETE, 1, true, 0);
	}
	expect_result(&scene, 0, COAX_REQUEST_ENTITY_INCOMPLETE, 0);
	tear_down(&scene);
}

TEST("4.13 that names a size has a body sent in blocks of that size")
{
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 40, NULL);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK1, -1, false, 0);
	answer_block1(&scene, COAX_REQUEST_ENTITY_TOO_LARGE, 0, false, 1);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK1, 0, true, 1);
	expect_payload(&scene, 0, 32);
	answer_block1(&scene, COAX_CONTINUE, 0, true, 1);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK1, 1, false, 1);
	answer_block1(&scene, COAX_CHANGED, 1, false, 1);
	expect_result(&scene, 0, COAX_CHANGED, 0);
	tear_down(&scene);
}

TEST("2.31 to the last block, and blocks that were not asked for, are protocol errors")
{
	const struct coax_request_options options = {.block_size = 16};
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 20, &options);
	peer_take(&scene.peer);
	answer_block1(&scene, COAX_CONTINUE, 0, true, 0);
	peer_take(&scene.peer);
	answer_block1(&scene, COAX_CONTINUE, 1, false, 0);
	expect_result(&scene, -EPROTO, 0, 0);
	tear_down(&scene);

	scene = set_up();
	ask(&scene, COAX_GET, 0, NULL);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 1, true, 0, NULL, 16);
	expect_result(&scene, -EPROTO, 0, 0);
	tear_down(&scene);
}

TEST("a server that answers before it has all blocks has seen enough")
{
	const struct coax_request_options options = {.block_size = 16};
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 64, &options);
	peer_take(&scene.peer);
	peer_answer(&scene.peer, COAX_FORBIDDEN, "no", 2);
	expect_result(&scene, 0, COAX_FORBIDDEN, 2);
	EXPECT_FALSE(peer_takes_within(&scene.peer, 20));
	tear_down(&scene);
}

TEST("a body larger than allowed ends the request")
{
	const struct coax_request_options options = {.body_max = 100};
	struct scene scene = set_up();

	ask(&scene, COAX_GET, 0, &options);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 0, true, 2, NULL, 64);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 1, true, 2, NULL, 64);
	expect_result(&scene, -EFBIG, 0, 0);
	tear_down(&scene);
}

TEST("with `single` one message goes and its response is given as it is")
{
	const struct coax_request_options options = {.single = true, .block_size = 16};
	struct scene scene = set_up();

	ask(&scene, COAX_POST, 100, &options);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK1, -1, false, 0);
	peer_expect_block(&scene.peer, COAX_BLOCK2, -1, false, 0);
	expect_payload(&scene, 0, 100);
	answer_block2(&scene, COAX_CHANGED, 0, true, 0, NULL, 16);
	expect_result(&scene, 0, COAX_CHANGED, 16);
	tear_down(&scene);
}

TEST("a request that names a block itself is about that block")
{
	struct scene scene = set_up();
	uint8_t buffer[64];
	struct coax_message message = request_message(buffer, sizeof(buffer), COAX_GET, "thing");

	coax_message_add_block(&message, COAX_BLOCK2, &(struct coax_block){2, false, 0});
	ASSERT_EQ(coax_request(scene.context, &scene.peer.address, &message, NULL, outcome_take,
			       scene.outcome, NULL),
		  0);
	peer_take(&scene.peer);
	peer_expect_block(&scene.peer, COAX_BLOCK2, 2, false, 0);
	peer_begin(&scene.peer, COAX_CONTENT);
	peer_add_block(&scene.peer, COAX_BLOCK2, 2, true, 0);
	coax_message_set_payload(&scene.peer.reply, scene.bytes, 16);
	peer_send(&scene.peer);
	expect_result(&scene, 0, COAX_CONTENT, 16);
	tear_down(&scene);
}

static void challenge(struct scene *scene, const char *echo)
{
	peer_begin(&scene->peer, COAX_UNAUTHORIZED);
	coax_message_add_string(&scene->peer.reply, COAX_ECHO, echo);
	peer_send(&scene->peer);
}

static void expect_echo(const struct scene *scene, const char *wanted)
{
	struct coax_option echo;

	ASSERT_TRUE(coax_message_find(&scene->peer.request, COAX_ECHO, &echo));
	ASSERT_EQ(echo.length, strlen(wanted));
	EXPECT_MEMEQ(echo.value, wanted, echo.length);
}

TEST("a challenge is answered by the same request with its Echo, once")
{
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 10, NULL);
	peer_take(&scene.peer);
	EXPECT_FALSE(peer_was_sent(&scene.peer, COAX_ECHO));
	challenge(&scene, "fresh?");
	peer_take(&scene.peer);
	expect_echo(&scene, "fresh?");
	expect_payload(&scene, 0, 10);
	challenge(&scene, "again?");
	expect_result(&scene, 0, COAX_UNAUTHORIZED, 0);
	EXPECT_FALSE(peer_takes_within(&scene.peer, 20));
	tear_down(&scene);
}

TEST("4.01 without an Echo is the answer")
{
	struct scene scene = set_up();

	ask(&scene, COAX_GET, 0, NULL);
	peer_take(&scene.peer);
	peer_answer(&scene.peer, COAX_UNAUTHORIZED, NULL, 0);
	expect_result(&scene, 0, COAX_UNAUTHORIZED, 0);
	tear_down(&scene);
}

TEST("a block that is challenged is sent again, and the following ones have the Echo too")
{
	const struct coax_request_options options = {.block_size = 16};
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 40, &options);
	peer_take(&scene.peer);
	answer_block1(&scene, COAX_CONTINUE, 0, true, 0);
	peer_take(&scene.peer);
	challenge(&scene, "e");
	peer_take(&scene.peer);
	expect_echo(&scene, "e");
	peer_expect_block(&scene.peer, COAX_BLOCK1, 1, true, 0);
	answer_block1(&scene, COAX_CONTINUE, 1, true, 0);
	peer_take(&scene.peer);
	expect_echo(&scene, "e");
	answer_block1(&scene, COAX_CHANGED, 2, false, 0);
	expect_result(&scene, 0, COAX_CHANGED, 0);
	tear_down(&scene);
}

/* A body that is read, and what has become of it. */
struct source {
	const uint8_t *bytes;
	atomic_int released;
	int error_behind; /* fail from this offset on; 0: do not */
};

static ssize_t read_source(void *arg, uint64_t offset, void *buffer, size_t size)
{
	struct source *source = arg;

	if (source->error_behind && offset >= (uint64_t)source->error_behind)
		return -EBADF;
	memcpy(buffer, source->bytes + offset, size);
	return (ssize_t)size;
}

static void release_source(void *arg)
{
	struct source *source = arg;

	atomic_fetch_add(&source->released, 1);
}

struct progress {
	uint64_t sent[8];
	uint64_t total;
	int calls;
};

static void note_progress(void *arg, uint64_t sent, uint64_t total)
{
	struct progress *progress = arg;

	progress->total = total;
	if (progress->calls < 8)
		progress->sent[progress->calls++] = sent;
}

TEST("a body is read piece by piece, its progress told, and it is released once")
{
	struct source source = {.bytes = numbered_bytes()};
	struct progress progress = {.total = 0};
	const struct coax_body body = {
		.length = 40, .read = read_source, .release = release_source, .arg = &source};
	const struct coax_request_options options = {
		.block_size = 16,
		.body = &body,
		.progress = note_progress,
		.progress_arg = &progress,
	};
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 0, &options);
	for (uint32_t i = 0; i < 3; i++) {
		peer_take(&scene.peer);
		expect_payload(&scene, 16 * i, i < 2 ? 16 : 8);
		answer_block1(&scene, i < 2 ? COAX_CONTINUE : COAX_CHANGED, i, i < 2, 0);
	}
	expect_result(&scene, 0, COAX_CHANGED, 0);
	tear_down(&scene);
	EXPECT_EQ(source.released, 1);
	EXPECT_EQ(progress.calls, 3);
	EXPECT_EQ(progress.sent[0], 16U);
	EXPECT_EQ(progress.sent[1], 32U);
	EXPECT_EQ(progress.sent[2], 40U);
	EXPECT_EQ(progress.total, 40U);
}

TEST("a body that cannot be read ends the request with its error")
{
	struct source source = {.bytes = numbered_bytes(), .error_behind = 16};
	const struct coax_body body = {
		.length = 40, .read = read_source, .release = release_source, .arg = &source};
	const struct coax_request_options options = {.block_size = 16, .body = &body};
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 0, &options);
	peer_take(&scene.peer);
	answer_block1(&scene, COAX_CONTINUE, 0, true, 0);
	expect_result(&scene, -EBADF, 0, 0);
	tear_down(&scene);
	EXPECT_EQ(source.released, 1);
}

TEST("a body is released when the request is refused, and it too may be too large")
{
	struct source source = {.bytes = numbered_bytes()};
	struct coax_body body = {
		.length = 1 << 25, .read = read_source, .release = release_source, .arg = &source};
	struct coax_request_options options = {.block_size = 16, .body = &body};
	struct coax_context *context = requester_start(1);
	union coax_address nowhere = {.in = {0}}, remote;
	uint8_t buffer[64];
	struct coax_message message = request_message(buffer, sizeof(buffer), COAX_PUT, "thing");

	ASSERT_EQ(coax_address_parse(&remote, "127.0.0.1", COAX_PORT), 0);
	EXPECT_EQ(coax_request(context, &remote, &message, &options, outcome_take, NULL, NULL),
		  -EMSGSIZE);
	EXPECT_EQ(source.released, 1);
	body.length = 10;
	EXPECT_EQ(coax_request(context, &nowhere, &message, &options, outcome_take, NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(source.released, 2);
	options.block_size = 2048;
	EXPECT_EQ(coax_request(context, &remote, &message, &options, outcome_take, NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(source.released, 3);
	coax_context_shutdown(context);
}

struct sunk {
	uint64_t length;
	int parts;
	int result;
};

static int sink(void *arg, const struct coax_message *first, uint64_t offset, const void *data,
		size_t length, uint64_t total)
{
	struct sunk *sunk = arg;

	(void)first;
	(void)total;
	EXPECT_EQ(offset, sunk->length);
	EXPECT_MEMEQ(data, numbered_bytes() + offset, length);
	sunk->length += length;
	sunk->parts++;
	return sunk->result;
}

TEST("a sink takes the body as it comes, and can end the request")
{
	struct sunk sunk = {.length = 0};
	const struct coax_request_options options = {
		.body_max = 10, .sink = sink, .sink_arg = &sunk};
	struct scene scene = set_up();

	ask(&scene, COAX_GET, 0, &options);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 0, true, 2, NULL, 64);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 1, false, 2, NULL, 3);
	expect_result(&scene, 0, COAX_CONTENT, 0);
	EXPECT_EQ(sunk.length, 67U);
	EXPECT_EQ(sunk.parts, 2);
	tear_down(&scene);

	scene = set_up();
	sunk = (struct sunk){.result = -ENOSPC};
	ask(&scene, COAX_GET, 0, &options);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 0, true, 2, NULL, 64);
	expect_result(&scene, -ENOSPC, 0, 0);
	tear_down(&scene);
}

TEST("a request is cancelled between two of its blocks")
{
	struct scene scene = set_up();

	ask(&scene, COAX_GET, 0, NULL);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 0, true, 2, NULL, 64);
	peer_take(&scene.peer);
	coax_request_cancel(scene.outcome->request);
	expect_result(&scene, -ECANCELED, 0, 0);
	tear_down(&scene);
}

TEST("a request that waits for another to the same remote is cancelled without having been sent")
{
	struct scene scene = set_up(), other = set_up();

	other.peer.address = scene.peer.address;
	ask(&scene, COAX_GET, 0, NULL);
	peer_take(&scene.peer);
	coax_context_shutdown(other.context);
	other.context = scene.context;
	ask(&other, COAX_GET, 0, NULL);
	coax_request_cancel(other.outcome->request);
	expect_result(&other, -ECANCELED, 0, 0);
	peer_answer(&scene.peer, COAX_CONTENT, NULL, 0);
	expect_result(&scene, 0, COAX_CONTENT, 0);
	EXPECT_FALSE(peer_takes_within(&scene.peer, 20));
	close(other.peer.fd);
	free(other.outcome);
	tear_down(&scene);
}

TEST("a callback may cancel its own request after many blocks")
{
	struct scene scene = set_up();

	scene.outcome->cancels = true;
	ask(&scene, COAX_GET, 0, NULL);
	for (uint32_t i = 0; i < 4; i++) {
		peer_take(&scene.peer);
		answer_block2(&scene, COAX_CONTENT, i, i < 3, 0, NULL, 16);
	}
	expect_result(&scene, 0, COAX_CONTENT, 64);
	tear_down(&scene);
}

TEST("requests in the middle of their blocks end at shutdown")
{
	struct scene scene = set_up();

	ask(&scene, COAX_GET, 0, NULL);
	peer_take(&scene.peer);
	answer_block2(&scene, COAX_CONTENT, 0, true, 2, NULL, 64);
	peer_take(&scene.peer);
	tear_down(&scene);
}

TEST("the time-out is for all blocks together")
{
	const struct coax_request_options options = {.timeout_ms = 150};
	struct scene scene = set_up();
	uint32_t number = 0;

	ask(&scene, COAX_GET, 0, &options);
	/* A server that takes its time, but answers each message well in time. */
	while (peer_takes_within(&scene.peer, 300) && number < 100) {
		usleep(20000);
		answer_block2(&scene, COAX_CONTENT, number++, true, 0, NULL, 16);
	}
	expect_result(&scene, -ETIMEDOUT, 0, 0);
	EXPECT_LT(number, 20U);
	tear_down(&scene);
}

TEST("blocks of requests that are not confirmable are not confirmable")
{
	const struct coax_request_options options = {.non_confirmable = true, .block_size = 16};
	struct scene scene = set_up();

	ask(&scene, COAX_PUT, 20, &options);
	peer_take(&scene.peer);
	EXPECT_TRUE(coax_message_type(&scene.peer.request) == COAX_TYPE_NON);
	answer_block1(&scene, COAX_CONTINUE, 0, true, 0);
	peer_take(&scene.peer);
	EXPECT_TRUE(coax_message_type(&scene.peer.request) == COAX_TYPE_NON);
	answer_block1(&scene, COAX_CHANGED, 1, false, 0);
	expect_result(&scene, 0, COAX_CHANGED, 0);
	tear_down(&scene);
}

TEST_MAIN()
