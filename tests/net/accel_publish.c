// SPDX-License-Identifier: BSD-2-Clause
/*
 * Publishing, withdrawing and evicting, seen from outside through the maps, and by packets.
 */
#include "../harness.h"
#include "../keeper.h"
#include "../bpf/frame.h"

static struct coax_subject *new_subject(void)
{
	struct coax_subject *subject;

	ASSERT_EQ(coax_subject_create(&subject), 0);
	return subject;
}

/* RFC 1071 of words as they lie in memory. */
static uint16_t sum_of(const uint8_t *bytes, size_t length)
{
	uint32_t sum = frame_sum(bytes, length, 0);

	return htons((uint16_t)sum);
}

static void mark_used(uint32_t number)
{
	struct coax_slot slot = keeper_slot(number);
	int fd = keeper_map("slots");

	slot.used = 1;
	ASSERT_EQ(bpf_map_update_elem(fd, &number, &slot, BPF_ANY), 0);
	close(fd);
}

TEST("a subject works without a kernel half")
{
	struct coax_subject *subject = new_subject();

	EXPECT_EQ(coax_subject_generation(subject), 0ULL);
	coax_subject_changed(subject);
	EXPECT_EQ(coax_subject_generation(subject), 1ULL);
	EXPECT_TRUE(coax_subject_get(subject) == subject);
	coax_subject_put(subject);
	coax_subject_changed(subject);
	EXPECT_EQ(coax_subject_generation(subject), 2ULL);
	coax_subject_put(subject);
	coax_subject_put(NULL);
}

TEST("what is published stands in index and slot, with its sums, and in words for people")
{
	struct coax_subject *subject = new_subject();
	struct keeper_exchange exchange;
	struct coax_index_value entry;
	const uint8_t *key, *reply;
	size_t key_length, reply_length;
	struct coax_accel *accel;
	struct coax_slot slot;
	int number;

	lab_begin();
	accel = keeper_begin();
	keeper_make(&exchange, "temperature of \xc3\xa4", "21.5 C");
	ASSERT_TRUE(coax_accel_publish(accel, subject, 0, &exchange.request, &exchange.response));
	number = keeper_find("temperature of \xc3\xa4", &entry);
	ASSERT_GE(number, 0);
	EXPECT_STREQ(entry.method, "GET");
	EXPECT_STREQ(entry.uri, "/temperature%20of%20%C3%A4");

	slot = keeper_slot((uint32_t)number);
	key = coax_message_rest(&exchange.request, &key_length);
	reply = coax_message_rest(&exchange.response, &reply_length);
	EXPECT_EQ(slot.sequence % 2, 0U);
	EXPECT_EQ(slot.deadline, COAX_NEVER);
	EXPECT_EQ(slot.key_code, COAX_GET);
	EXPECT_EQ(slot.reply_code, COAX_CONTENT);
	EXPECT_EQ(slot.key_length, key_length);
	EXPECT_EQ(slot.reply_length, reply_length);
	EXPECT_MEMEQ(slot.key, key, key_length);
	EXPECT_MEMEQ(slot.reply, reply, reply_length);
	for (size_t i = key_length; i < COAX_KEY_MAX; i++)
		EXPECT_EQ(slot.key[i], 0);
	EXPECT_EQ(slot.key_sum, sum_of(key, key_length));
	EXPECT_EQ(slot.reply_sum, sum_of(reply, reply_length));
	EXPECT_GT(slot.published, 0ULL);
	coax_subject_put(subject);
	coax_accel_close(accel);
}

TEST("publishing the same again does nothing until the subject changes")
{
	struct coax_subject *subject = new_subject();
	struct coax_accel *accel;
	struct coax_slot slot;
	uint32_t number;

	lab_begin();
	accel = keeper_begin();
	EXPECT_TRUE(keeper_publish(accel, subject, "a", "1"));
	number = (uint32_t)keeper_find("a", NULL);
	slot = keeper_slot(number);
	EXPECT_FALSE(keeper_publish(accel, subject, "a", "1"));
	EXPECT_EQ(keeper_slot(number).sequence, slot.sequence);
	coax_subject_changed(subject);
	EXPECT_TRUE(keeper_publish(accel, subject, "a", "2"));
	EXPECT_EQ((uint32_t)keeper_find("a", NULL), number);
	EXPECT_TRUE(keeper_is_published("a"));
	coax_subject_put(subject);
	coax_accel_close(accel);
}

TEST("a change withdraws all that was published, and keeps slot and index entry")
{
	struct coax_subject *subject = new_subject();
	struct coax_subject *other = new_subject();
	struct coax_accel *accel;
	uint32_t before, number;

	lab_begin();
	accel = keeper_begin();
	ASSERT_TRUE(keeper_publish(accel, subject, "a", "1"));
	ASSERT_TRUE(keeper_publish(accel, subject, "b", "1"));
	ASSERT_TRUE(keeper_publish(accel, other, "c", "1"));
	number = (uint32_t)keeper_find("a", NULL);
	before = keeper_slot(number).sequence;
	coax_subject_changed(subject);
	EXPECT_EQ(keeper_slot(number).deadline, 0ULL);
	EXPECT_EQ(keeper_slot(number).sequence, before + 2);
	EXPECT_FALSE(keeper_is_published("b"));
	EXPECT_TRUE(keeper_is_published("c"));
	EXPECT_EQ(keeper_entries("index"), 3U);
	coax_subject_put(subject);
	coax_subject_put(other);
	coax_accel_close(accel);
}

TEST("what was rendered before a change is not published after it")
{
	struct coax_subject *subject = new_subject();
	struct keeper_exchange exchange;
	struct coax_accel *accel;
	uint64_t generation;

	lab_begin();
	accel = keeper_begin();
	generation = coax_subject_generation(subject);
	keeper_make(&exchange, "a", "old");
	coax_subject_changed(subject);
	EXPECT_FALSE(coax_accel_publish(accel, subject, generation, &exchange.request,
					&exchange.response));
	EXPECT_EQ(keeper_find("a", NULL), -1);
	coax_subject_put(subject);
	coax_accel_close(accel);
}

TEST("with a subject's last reference its entries are gone")
{
	struct coax_subject *subject = new_subject();
	struct coax_accel *accel;
	uint32_t number;

	lab_begin();
	accel = keeper_begin();
	ASSERT_TRUE(keeper_publish(accel, subject, "a", "1"));
	number = (uint32_t)keeper_find("a", NULL);
	coax_subject_get(subject);
	coax_subject_put(subject);
	EXPECT_TRUE(keeper_is_published("a"));
	coax_subject_put(subject);
	EXPECT_EQ(keeper_slot(number).deadline, 0ULL);
	EXPECT_EQ(keeper_entries("index"), 0U);
	coax_accel_close(accel);
}

TEST("a request goes over from one subject to another")
{
	struct coax_subject *one = new_subject(), *two = new_subject();
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	ASSERT_TRUE(keeper_publish(accel, one, "a", "1"));
	ASSERT_TRUE(keeper_publish(accel, two, "a", "2"));
	EXPECT_EQ(keeper_entries("index"), 1U);
	coax_subject_changed(one);
	EXPECT_TRUE(keeper_is_published("a"));
	coax_subject_changed(two);
	EXPECT_FALSE(keeper_is_published("a"));
	coax_subject_put(one);
	coax_subject_put(two);
	coax_accel_close(accel);
}

TEST("requests and replies that are too long are left to userspace")
{
	struct coax_subject *subject = new_subject();
	struct keeper_exchange exchange;
	char long_path[COAX_KEY_MAX + 1];
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	memset(long_path, 'a', sizeof(long_path));
	/* The option's header is two bytes. */
	long_path[COAX_KEY_MAX - 2] = 0;
	EXPECT_TRUE(keeper_publish(accel, subject, long_path, "1"));
	long_path[COAX_KEY_MAX - 2] = 'a';
	long_path[COAX_KEY_MAX - 1] = 0;
	EXPECT_FALSE(keeper_publish(accel, subject, long_path, "1"));

	keeper_make(&exchange, "a", "");
	exchange.response.length = 4 + 3 + COAX_REPLY_MAX;
	EXPECT_TRUE(coax_accel_publish(accel, subject, 0, &exchange.request, &exchange.response));
	keeper_make(&exchange, "b", "");
	exchange.response.length = 4 + 3 + COAX_REPLY_MAX + 1;
	EXPECT_FALSE(coax_accel_publish(accel, subject, 0, &exchange.request, &exchange.response));
	coax_subject_put(subject);
	coax_accel_close(accel);
}

TEST("when slots are used up, what the kernel uses stays and what it does not goes")
{
	struct coax_subject *subject = new_subject();
	struct coax_accel *accel;
	char path[16];

	lab_begin();
	accel = keeper_begin();
	for (int i = 0; i < KEEPER_SLOTS; i++) {
		snprintf(path, sizeof(path), "%d", i);
		ASSERT_TRUE(keeper_publish(accel, subject, path, "x"));
	}
	EXPECT_EQ(keeper_entries("index"), (unsigned int)KEEPER_SLOTS);
	for (int round = 0; round < 4 * KEEPER_SLOTS; round++) {
		for (int i = 0; i < 8; i++) {
			snprintf(path, sizeof(path), "%d", i);
			ASSERT_TRUE(keeper_is_published(path));
			mark_used((uint32_t)keeper_find(path, NULL));
		}
		snprintf(path, sizeof(path), "new%d", round);
		ASSERT_TRUE(keeper_publish(accel, subject, path, "x"));
		ASSERT_TRUE(keeper_is_published(path));
	}
	EXPECT_EQ(keeper_entries("index"), (unsigned int)KEEPER_SLOTS);
	EXPECT_EQ(keeper_find("9", NULL), -1);
	/* What was evicted can come back. */
	EXPECT_TRUE(keeper_publish(accel, subject, "9", "x"));
	coax_subject_put(subject);
	EXPECT_EQ(keeper_entries("index"), 0U);
	coax_accel_close(accel);
}

TEST("when all is in use, one round of the clock frees a slot nevertheless")
{
	struct coax_subject *subject = new_subject();
	struct coax_accel *accel;
	char path[16];

	lab_begin();
	accel = keeper_begin();
	for (uint32_t i = 0; i < KEEPER_SLOTS; i++) {
		snprintf(path, sizeof(path), "%u", i);
		ASSERT_TRUE(keeper_publish(accel, subject, path, "x"));
		mark_used(i);
	}
	EXPECT_TRUE(keeper_publish(accel, subject, "new", "x"));
	coax_subject_put(subject);
	coax_accel_close(accel);
}

TEST("what is withdrawn goes before what is published")
{
	struct coax_subject *kept = new_subject(), *changed = new_subject();
	struct coax_accel *accel;
	char path[16];

	lab_begin();
	accel = keeper_begin();
	for (int i = 0; i < KEEPER_SLOTS; i++) {
		snprintf(path, sizeof(path), "%d", i);
		ASSERT_TRUE(keeper_publish(accel, i % 4 ? kept : changed, path, "x"));
	}
	coax_subject_changed(changed);
	for (int i = 0; i < KEEPER_SLOTS / 4; i++) {
		snprintf(path, sizeof(path), "new%d", i);
		ASSERT_TRUE(keeper_publish(accel, kept, path, "x"));
	}
	for (int i = 0; i < KEEPER_SLOTS; i++) {
		snprintf(path, sizeof(path), "%d", i);
		EXPECT_EQ(keeper_is_published(path), i % 4 != 0);
	}
	coax_subject_put(kept);
	coax_subject_put(changed);
	coax_accel_close(accel);
}

TEST("a subject may outlive the keeper")
{
	struct coax_subject *subject = new_subject();
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	ASSERT_TRUE(keeper_publish(accel, subject, "a", "1"));
	coax_accel_close(accel);
	coax_subject_changed(subject);
	accel = keeper_begin();
	EXPECT_TRUE(keeper_publish(accel, subject, "a", "2"));
	coax_subject_put(subject);
	coax_accel_close(accel);
}

/* What the program does with a GET of `path`. */
static uint32_t verdict(int program, const char *path, struct frame *reply)
{
	struct frame_flow flow = lab_flow();
	struct keeper_exchange exchange;
	struct frame frame = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run);

	keeper_make(&exchange, path, "");
	frame_build(&frame, &flow, exchange.request.data, exchange.request.length);
	run.data_in = frame.bytes;
	run.data_size_in = (uint32_t)frame.length;
	run.data_out = reply->bytes;
	run.data_size_out = sizeof(reply->bytes);
	ASSERT_EQ(bpf_prog_test_run_opts(program, &run), 0);
	reply->length = run.data_size_out;
	return run.retval;
}

TEST("the program answers what was published, passes what was withdrawn, and learns the new")
{
	struct coax_subject *subject = new_subject();
	struct coax_accel *accel;
	struct frame reply = {0};
	int program;

	lab_begin();
	accel = keeper_begin();
	program = lab_program();
	EXPECT_EQ(verdict(program, "a", &reply), (uint32_t)XDP_PASS);
	ASSERT_TRUE(keeper_publish(accel, subject, "a", "first"));
	EXPECT_EQ(verdict(program, "a", &reply), (uint32_t)XDP_TX);
	EXPECT_MEMEQ(reply.bytes + reply.length - 6,
		     "\xff"
		     "first",
		     6);
	coax_subject_changed(subject);
	EXPECT_EQ(verdict(program, "a", &reply), (uint32_t)XDP_PASS);
	ASSERT_TRUE(keeper_publish(accel, subject, "a", "second"));
	EXPECT_EQ(verdict(program, "a", &reply), (uint32_t)XDP_TX);
	EXPECT_MEMEQ(reply.bytes + reply.length - 7,
		     "\xff"
		     "second",
		     7);
	coax_subject_put(subject);
	EXPECT_EQ(verdict(program, "a", &reply), (uint32_t)XDP_PASS);
	close(program);
	coax_accel_close(accel);
}

struct race {
	pthread_t threads[3];
	struct coax_accel *accel;
	struct coax_subject *subjects[4];
	const volatile struct coax_slot *slots; /* as the program sees them */
	bool stop;
	unsigned long seen;
	unsigned long stale;
};

/* Publish the generation that was read, as text, under more requests than there are slots. */
static void *race_publisher(void *arg)
{
	struct race *race = arg;
	struct keeper_exchange exchange;
	char path[16], text[32];

	for (unsigned int i = 0; !__atomic_load_n(&race->stop, __ATOMIC_RELAXED); i++) {
		bool hot = i % 3 == 0;
		struct coax_subject *subject = race->subjects[hot ? 0 : i % 4];
		uint64_t generation = coax_subject_generation(subject);

		snprintf(path, sizeof(path), "%u", i % (2 * KEEPER_SLOTS));
		snprintf(text, sizeof(text), "%llu", (unsigned long long)generation);
		keeper_make(&exchange, hot ? "hot" : path, text);
		coax_accel_publish(race->accel, subject, generation, &exchange.request,
				   &exchange.response);
	}
	return NULL;
}

/* Whether the slot's reply may be sent now; if so, the generation in its text. */
static bool race_read(const volatile struct coax_slot *slot, uint64_t *generation)
{
	uint32_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
	char text[33] = "";
	bool live = slot->deadline == COAX_NEVER && slot->key_length == 4 && slot->key[1] == 'h' &&
		    slot->key[2] == 'o';

	for (int i = 1; i < slot->reply_length && i < 32; i++)
		text[i - 1] = (char)slot->reply[i];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	*generation = strtoull(text, NULL, 10);
	return live && sequence % 2 == 0 && slot->sequence == sequence;
}

/* One that is created, published for and dropped while others evict. */
static void race_short_life(struct race *race)
{
	struct coax_subject *subject = new_subject();
	char path[16];

	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "own%d", i);
		keeper_publish(race->accel, subject, path, "x");
	}
	coax_subject_put(subject);
}

static void *race_changer(void *arg)
{
	struct race *race = arg;
	uint64_t generation, found;

	for (unsigned int i = 0; !__atomic_load_n(&race->stop, __ATOMIC_RELAXED); i++) {
		coax_subject_changed(race->subjects[1 + i % 2]);
		coax_subject_changed(race->subjects[0]);
		generation = coax_subject_generation(race->subjects[0]);
		for (int slot = 0; slot < KEEPER_SLOTS; slot++) {
			if (!race_read(&race->slots[slot], &found))
				continue;
			race->seen++;
			race->stale += found < generation;
		}
		if (i % 64 == 0)
			race_short_life(race);
	}
	return NULL;
}

static void race_begin(struct race *race)
{
	int fd;

	lab_begin();
	race->accel = keeper_begin();
	fd = keeper_map("slots");
	race->slots =
		mmap(NULL, KEEPER_SLOTS * sizeof(struct coax_slot), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_TRUE(race->slots != MAP_FAILED);
	close(fd);
	for (int i = 0; i < 4; i++)
		race->subjects[i] = new_subject();
	ASSERT_EQ(pthread_create(&race->threads[0], NULL, race_publisher, race), 0);
	ASSERT_EQ(pthread_create(&race->threads[1], NULL, race_publisher, race), 0);
	ASSERT_EQ(pthread_create(&race->threads[2], NULL, race_changer, race), 0);
}

static void race_end(struct race *race)
{
	__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(race->threads[i], NULL);
}

TEST("a change is never overtaken by what was rendered before it, whoever publishes and evicts")
{
	struct race race = {0};

	race_begin(&race);
	sleep(2);
	race_end(&race);

	EXPECT_GT(race.seen, 0UL);
	EXPECT_EQ(race.stale, 0UL);
	EXPECT_LE(keeper_entries("index"), (unsigned int)KEEPER_SLOTS);
	for (int i = 0; i < 4; i++)
		coax_subject_put(race.subjects[i]);
	EXPECT_EQ(keeper_entries("index"), 0U);
	for (uint32_t i = 0; i < KEEPER_SLOTS; i++) {
		EXPECT_EQ(keeper_slot(i).sequence % 2, 0U);
		EXPECT_EQ(keeper_slot(i).deadline, 0ULL);
	}
	coax_accel_close(race.accel);
}

TEST("all that is published is withdrawn at once, and the same may be published anew")
{
	struct coax_subject *one = new_subject(), *two = new_subject();
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(keeper_publish(accel, one, "a", "1"));
		ASSERT_TRUE(keeper_publish(accel, one, "b", "1"));
		ASSERT_TRUE(keeper_publish(accel, two, "c", "1"));
		coax_subject_changed(two);
		coax_accel_withdraw_all(accel);
		EXPECT_FALSE(keeper_is_published("a"));
		EXPECT_FALSE(keeper_is_published("b"));
		EXPECT_FALSE(keeper_is_published("c"));
	}
	coax_subject_put(one);
	coax_subject_put(two);
	coax_accel_withdraw_all(accel);
	coax_accel_close(accel);
}

TEST("all is withdrawn whoever publishes, changes and goes meanwhile")
{
	struct race race = {0};
	struct coax_subject *calm = new_subject();

	race_begin(&race);
	for (int i = 0; i < 300; i++) {
		keeper_publish(race.accel, calm, "calm", "x");
		coax_accel_withdraw_all(race.accel);
		EXPECT_FALSE(keeper_is_published("calm"));
	}
	race_end(&race);
	EXPECT_EQ(race.stale, 0UL);

	coax_accel_withdraw_all(race.accel);
	EXPECT_EQ(keeper_entries("index"), 0U);
	coax_subject_put(calm);
	for (int i = 0; i < 4; i++)
		coax_subject_put(race.subjects[i]);
	coax_accel_close(race.accel);
}

TEST_MAIN()
