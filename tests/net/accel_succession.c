// SPDX-License-Identifier: BSD-2-Clause
/*
 * An owner that lives hands its instance over: the kernel answers on until the next one is there.
 */
#include <fcntl.h>
#include "../harness.h"
#include "../keeper.h"

static const uint8_t ping[4] = {0x40};

/* A keeper to succeed the one that holds the lock. */
static int open_next(struct coax_accel **next, const struct coax_accel *former, uint32_t slots)
{
	struct coax_accel_options options = keeper_options();
	union coax_address v4 = keeper_address("0.0.0.0");
	int err;

	options.lock = coax_accel_lock(former);
	options.slots = slots;
	err = coax_accel_open(next, &options, &keeper_logger);
	if (!err)
		ASSERT_EQ(coax_accel_add_endpoint(*next, &v4), 0);
	return err;
}

static struct coax_accel *begin(struct coax_subject **subject)
{
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip addr add " LAB_SERVER_IPV4 "/32 dev lo");
	accel = keeper_begin();
	ASSERT_EQ(coax_subject_create(subject), 0);
	ASSERT_TRUE(keeper_publish(accel, *subject, "one", "former"));
	return accel;
}

static bool answers(int program)
{
	uint8_t reply[16];

	return lab_ask(program, ping, sizeof(ping), reply, sizeof(reply)) == 4;
}

static uint32_t map_id(const char *name)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	int fd = keeper_map(name);

	ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info.id;
}

/* Alone, or in libxdp's dispatcher. */
static uint32_t our_program(void)
{
	struct bpf_prog_info info = {0};

	keeper_describe_program(LAB_SERVER, &info);
	return info.id;
}

/* 0: a dispatcher's is libxdp's. */
static uint32_t pinned_link(void)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);
	char path[256];
	int fd;

	snprintf(path, sizeof(path), KEEPER_DIRECTORY "/link-%u", if_nametoindex(LAB_SERVER));
	fd = bpf_obj_get(path);
	if (fd < 0 && our_program() != keeper_attached(LAB_SERVER))
		return 0;
	ASSERT_GE(fd, 0);
	ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info.id;
}

TEST("the former owner's program answers until the next one's takes its place in the same link")
{
	struct coax_accel *former, *next;
	struct coax_subject *subject;
	uint32_t program, link, index;
	int before, after;

	former = begin(&subject);
	program = keeper_attached(LAB_SERVER);
	link = pinned_link();
	index = map_id("index");
	before = lab_program();

	ASSERT_EQ(open_next(&next, former, KEEPER_SLOTS), 0);
	ASSERT_EQ(coax_accel_prepare(next), 0);
	EXPECT_EQ(keeper_attached(LAB_SERVER), program);
	EXPECT_EQ(map_id("index"), index);
	EXPECT_TRUE(answers(before));
	EXPECT_TRUE(keeper_is_published("one"));

	ASSERT_EQ(coax_accel_attach(next), 0);
	EXPECT_NE(keeper_attached(LAB_SERVER), program);
	EXPECT_EQ(pinned_link(), link);
	EXPECT_NE(map_id("index"), index);
	EXPECT_EQ(keeper_entries("index"), 0U);
	after = lab_program();
	EXPECT_TRUE(answers(after));

	coax_accel_hand_over(former);
	coax_accel_close(former);
	EXPECT_TRUE(answers(after));
	EXPECT_EQ(pinned_link(), link);
	EXPECT_TRUE(keeper_publish(next, subject, "two", "next"));
	EXPECT_TRUE(keeper_is_published("two"));
	EXPECT_TRUE(keeper_said("took over instance 'default'"));
	coax_accel_close(next);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(access(COAX_PIN_ROOT, F_OK), 0);
	close(before);
	close(after);
	coax_subject_put(subject);
}

TEST("a next owner that gives up changes nothing")
{
	struct coax_accel *former, *next;
	struct coax_subject *subject;
	uint32_t program, index;
	int fd;

	former = begin(&subject);
	program = keeper_attached(LAB_SERVER);
	index = map_id("index");
	ASSERT_EQ(open_next(&next, former, KEEPER_SLOTS), 0);
	ASSERT_EQ(coax_accel_prepare(next), 0);
	coax_accel_close(next);
	EXPECT_EQ(keeper_attached(LAB_SERVER), program);
	EXPECT_EQ(map_id("index"), index);
	fd = lab_program();
	EXPECT_TRUE(answers(fd));
	close(fd);
	EXPECT_TRUE(keeper_is_published("one"));
	/* And it is still the owner. */
	EXPECT_EQ(coax_accel_open(
			  &next,
			  &(struct coax_accel_options){.interfaces = (const char *[]){LAB_SERVER},
						       .interface_count = 1},
			  &keeper_logger),
		  -EBUSY);
	coax_accel_close(former);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	coax_subject_put(subject);
}

TEST("a next owner that ends when it has exchanged all has it exchanged back")
{
	struct coax_accel *former, *next;
	struct coax_subject *subject;
	uint32_t program, attached, index;
	int fd;

	former = begin(&subject);
	program = our_program();
	attached = keeper_attached(LAB_SERVER);
	index = map_id("index");
	ASSERT_EQ(open_next(&next, former, KEEPER_SLOTS), 0);
	ASSERT_EQ(coax_accel_prepare(next), 0);
	ASSERT_EQ(coax_accel_attach(next), 0);
	ASSERT_NE(keeper_attached(LAB_SERVER), attached);
	/* As if it were killed. */
	coax_accel_hand_over(next);
	coax_accel_close(next);
	coax_accel_reclaim(former, (uint32_t)getpid());
	/* Beside others it is loaded anew. */
	if (pinned_link())
		EXPECT_EQ(our_program(), program);
	EXPECT_EQ(map_id("index"), index);
	EXPECT_TRUE(keeper_is_published("one"));
	fd = lab_program();
	EXPECT_TRUE(answers(fd));
	close(fd);
	coax_accel_close(former);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(access(COAX_PIN_ROOT, F_OK), 0);
	coax_subject_put(subject);
}

TEST("maps of another layout change places with new ones, which leave nothing of them")
{
	struct coax_accel *former, *next;
	struct coax_subject *subject;
	struct coax_config config;
	const uint32_t only = 0;
	uint32_t link, stats;
	int fd;

	former = begin(&subject);
	link = pinned_link();
	stats = map_id("stats");
	config = keeper_config();
	config.layout = COAX_LAYOUT + 1;
	fd = keeper_map("config");
	ASSERT_EQ(bpf_map_update_elem(fd, &only, &config, BPF_ANY), 0);
	close(fd);
	/* A map that only it has. */
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "other", 4, 4, 1, NULL);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(bpf_obj_pin(fd, KEEPER_DIRECTORY "/other"), 0);
	close(fd);

	ASSERT_EQ(open_next(&next, former, 2 * KEEPER_SLOTS), 0);
	ASSERT_EQ(coax_accel_prepare(next), 0);
	EXPECT_EQ(keeper_config().layout, COAX_LAYOUT + 1U);
	ASSERT_EQ(coax_accel_attach(next), 0);
	coax_accel_hand_over(former);
	coax_accel_close(former);
	EXPECT_EQ(keeper_config().layout, (uint32_t)COAX_LAYOUT);
	EXPECT_EQ(keeper_config().slots, 2U * KEEPER_SLOTS);
	EXPECT_NE(map_id("stats"), stats);
	EXPECT_EQ(pinned_link(), link);
	EXPECT_NE(access(KEEPER_DIRECTORY "/other", F_OK), 0);
	fd = lab_program();
	EXPECT_TRUE(answers(fd));
	close(fd);
	coax_accel_close(next);
	EXPECT_NE(access(COAX_PIN_ROOT, F_OK), 0);
	coax_subject_put(subject);
}

TEST("with the same layout the counters go on")
{
	struct coax_accel *former, *next;
	struct coax_subject *subject;
	uint32_t stats;

	former = begin(&subject);
	stats = map_id("stats");
	ASSERT_EQ(open_next(&next, former, KEEPER_SLOTS), 0);
	ASSERT_EQ(coax_accel_prepare(next), 0);
	ASSERT_EQ(coax_accel_attach(next), 0);
	coax_accel_hand_over(former);
	coax_accel_close(former);
	EXPECT_EQ(map_id("stats"), stats);
	coax_accel_close(next);
	coax_subject_put(subject);
}

TEST("an interface that the next owner does not serve is let go")
{
	static const char *const others[] = {"other0"};
	struct coax_accel_options options = keeper_options();
	struct coax_accel *former, *next;
	struct coax_subject *subject;

	former = begin(&subject);
	lab_run("ip link add other0 type veth peer name other1");
	options.lock = coax_accel_lock(former);
	options.interfaces = others;
	ASSERT_EQ(coax_accel_open(&next, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_prepare(next), 0);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	ASSERT_EQ(coax_accel_attach(next), 0);
	coax_accel_hand_over(former);
	coax_accel_close(former);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(keeper_attached("other0"), 0U);
	coax_accel_close(next);
	coax_subject_put(subject);
}

TEST("a lock of another instance is none")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *former, *next = NULL;
	struct coax_subject *subject;

	former = begin(&subject);
	options.instance = "second";
	options.lock = coax_accel_lock(former);
	EXPECT_EQ(coax_accel_open(&next, &options, &keeper_logger), -ESTALE);
	EXPECT_TRUE(next == NULL);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	coax_accel_close(former);
	coax_subject_put(subject);
}

TEST("an interface can be detached from and attached to while the instance is served")
{
	struct coax_subject *subject;
	struct coax_accel *accel;

	accel = begin(&subject);
	EXPECT_EQ(coax_accel_attach_to(accel, LAB_SERVER), -EALREADY);
	ASSERT_EQ(coax_accel_detach_from(accel, LAB_SERVER), 0);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	EXPECT_EQ(coax_accel_detach_from(accel, LAB_SERVER), -EALREADY);
	EXPECT_EQ(coax_accel_detach_from(accel, "nowhere"), -ENODEV);
	EXPECT_EQ(coax_accel_attach_to(accel, "nowhere"), -ENODEV);

	/* Changes of the host do not bring it back. */
	lab_run("ip link add other0 type veth peer name other1");
	coax_accel_process(accel);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	ASSERT_EQ(coax_accel_attach_to(accel, LAB_SERVER), 0);
	ASSERT_EQ(coax_accel_attach_to(accel, "other0"), 0);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(keeper_attached("other0"), 0U);
	EXPECT_STREQ(keeper_config().attachments[1].name, "other0");
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached("other0"), 0U);
	coax_subject_put(subject);
}

static struct coax_accel *changing; /* NULL: nothing happens */

static void change_host(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	struct coax_accel *accel = changing;

	keeper_note(arg, level, name, line);
	if (!accel)
		return;
	changing = NULL;
	lab_run("ip addr add 198.51.100.7/24 dev " LAB_SERVER);
	coax_accel_process(accel);
	EXPECT_FALSE(is_endpoint("198.51.100.7", 5683));
}

TEST("who follows the host does not wait for who attaches, who follows it then")
{
	const struct coax_logger logger = {.write = change_host, .from = COAX_LOG_DEBUG};
	struct coax_accel_options options = keeper_options();
	union coax_address any = keeper_address("0.0.0.0");
	struct coax_accel *accel;

	lab_begin();
	ASSERT_EQ(coax_accel_open(&accel, &options, &logger), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &any), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	ASSERT_EQ(coax_accel_detach_from(accel, LAB_SERVER), 0);
	changing = accel;
	ASSERT_EQ(coax_accel_attach_to(accel, LAB_SERVER), 0);
	EXPECT_TRUE(changing == NULL);
	EXPECT_TRUE(is_endpoint("198.51.100.7", 5683));
	EXPECT_TRUE(is_endpoint(LAB_SERVER_IPV4, 5683));
	coax_accel_close(accel);
}

TEST("a path's replies are withdrawn on request, and no others")
{
	struct coax_subject *subject;
	struct coax_accel *accel;

	accel = begin(&subject);
	ASSERT_TRUE(keeper_publish(accel, subject, "two", "two"));
	ASSERT_TRUE(keeper_publish(accel, subject, "three", "three"));
	EXPECT_EQ(coax_accel_flush(accel, "/tw"), 0U);
	EXPECT_EQ(coax_accel_flush(accel, "/two"), 1U);
	EXPECT_FALSE(keeper_is_published("two"));
	EXPECT_TRUE(keeper_is_published("one"));
	EXPECT_EQ(coax_accel_flush(accel, NULL), 2U);
	EXPECT_FALSE(keeper_is_published("one"));
	EXPECT_TRUE(keeper_publish(accel, subject, "two", "two"));
	coax_accel_close(accel);
	coax_subject_put(subject);
}

TEST_MAIN()
