// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loading, attaching and taking over, on real interfaces in a network of its own.
 */
#include "../harness.h"
#include "../keeper.h"

static const char *const maps[] = {"endpoints", "nearby",   "index",	"slots",
				   "exchanges", "secret",   "config",	"stats",
				   "limits",	"verified", "prefixes", "sessions"};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* A keeper of another process, killed once it serves. */
static void serve_and_be_killed(const struct coax_accel_options *options, const char *published)
{
	int ready[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (pid == 0) {
		union coax_address any = keeper_address("0.0.0.0");
		struct coax_subject *subject;
		struct coax_accel *accel;

		ASSERT_EQ(coax_accel_open(&accel, options, &keeper_logger), 0);
		ASSERT_EQ(coax_accel_add_endpoint(accel, &any), 0);
		ASSERT_EQ(coax_accel_attach(accel), 0);
		ASSERT_EQ(coax_subject_create(&subject), 0);
		if (published)
			ASSERT_TRUE(keeper_publish(accel, subject, published, "left"));
		ASSERT_EQ(write(ready[1], "x", 1), 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
}

static uint32_t attach_foreign(const char *interface)
{
	lab_attach_stub(interface);
	return keeper_attached(interface);
}

TEST("the program is attached, the maps are pinned, config says what holds")
{
	struct coax_config config;
	struct coax_accel *accel;
	char path[256];

	lab_begin();
	accel = keeper_begin();
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		snprintf(path, sizeof(path), KEEPER_DIRECTORY "/%s", maps[i]);
		EXPECT_EQ(access(path, F_OK), 0);
	}
	config = keeper_config();
	EXPECT_EQ(config.layout, (uint32_t)COAX_LAYOUT);
	EXPECT_EQ(config.enabled, 1U);
	EXPECT_EQ(config.pid, (uint32_t)getpid());
	EXPECT_EQ(config.slots, (uint32_t)KEEPER_SLOTS);
	EXPECT_EQ(config.exchanges, 16384U);
	EXPECT_EQ(config.lease_length, 3000000000ULL);
	EXPECT_EQ(config.attachments[0].ifindex, if_nametoindex(LAB_SERVER));
	EXPECT_STREQ(config.attachments[0].name, LAB_SERVER);
	EXPECT_TRUE(config.attachments[0].rung == COAX_RUNG_NATIVE ||
		    config.attachments[0].rung == COAX_RUNG_DISPATCHER);
	EXPECT_EQ(config.attachments[1].ifindex, 0U);
	coax_accel_close(accel);
}

TEST("on a veth it says what the other end needs for replies to arrive")
{
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	EXPECT_TRUE(keeper_said("WARNING: " LAB_SERVER " is a veth"));
	coax_accel_close(accel);
}

TEST("closing leaves no program and no pins")
{
	struct coax_accel *accel;

	lab_begin();
	accel = keeper_begin();
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(access(COAX_PIN_ROOT, F_OK), 0);
	EXPECT_EQ(coax_accel_open_map(NULL, "stats"), -ENOENT);
}

TEST("the lease begins with attaching and ends its length after it was last extended")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;
	uint64_t before, lease;

	lab_begin();
	options.lease_ms = 500;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_EQ(coax_accel_lease_ms(accel), 500U);
	EXPECT_EQ(keeper_config().lease, 0ULL);
	before = now();
	ASSERT_EQ(coax_accel_attach(accel), 0);
	lease = keeper_config().lease;
	/* The coarse clock is up to a tick behind. */
	EXPECT_GE(lease, before + 480000000);
	EXPECT_LE(lease, now() + 500000000);
	usleep(20000);
	coax_accel_renew(accel, now());
	EXPECT_GT(keeper_config().lease, lease);
	coax_accel_close(accel);
}

/* What opening fails with where CLOCK_MONOTONIC is off by `offset`, "SECONDS NANOSECONDS". */
static int open_in_time_namespace(const char *offset)
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel = NULL;
	int status, err, fd;
	pid_t child;

	if (unshare(CLONE_NEWTIME))
		SKIP("no time namespaces here");
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_GT(dprintf(fd, "monotonic %s\n", offset), 0);
	close(fd);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		err = coax_accel_open(&accel, &options, &keeper_logger);
		if (!err)
			coax_accel_close(accel);
		else if (!keeper_said("clock"))
			err = 0;
		_exit(-err);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_TRUE(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

TEST("a clock that is not the kernel's is refused: its lease would end at another time")
{
	lab_begin();
	EXPECT_EQ(open_in_time_namespace("0 0"), 0);
	EXPECT_EQ(open_in_time_namespace("86400 0"), -EOPNOTSUPP);
}

TEST("what a killed owner left is taken over: nothing published any more, one program")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;
	uint32_t left;

	lab_begin();
	serve_and_be_killed(&options, "left");
	left = keeper_attached(LAB_SERVER);
	ASSERT_NE(left, 0U);
	ASSERT_TRUE(keeper_is_published("left"));
	ASSERT_GT(keeper_entries("endpoints"), 0U);

	accel = keeper_open();
	EXPECT_EQ(keeper_entries("index"), 0U);
	EXPECT_EQ(keeper_entries("endpoints"), 0U);
	EXPECT_EQ(keeper_config().lease, 0ULL);
	for (uint32_t i = 0; i < KEEPER_SLOTS; i++)
		EXPECT_EQ(keeper_slot(i).deadline, 0ULL);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(keeper_attached(LAB_SERVER), left);
	EXPECT_TRUE(keeper_said("took over instance 'default'"));
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
}

TEST("counters go on across a takeover")
{
	struct coax_accel_options options = keeper_options();
	struct coax_stats stats = {0};
	int cpus = libbpf_num_possible_cpus();
	struct coax_stats *each = calloc((size_t)cpus, sizeof(*each));
	const uint32_t only = 0;
	struct coax_accel *accel;
	int fd;

	lab_begin();
	serve_and_be_killed(&options, NULL);
	fd = keeper_map("stats");
	each[0].reply = 40;
	each[cpus - 1].reply += 2;
	ASSERT_EQ(bpf_map_update_elem(fd, &only, each, BPF_ANY), 0);
	close(fd);
	accel = keeper_open();
	fd = keeper_map("stats");
	ASSERT_EQ(coax_accel_read_stats(fd, &stats), 0);
	EXPECT_EQ(stats.reply, 42ULL);
	close(fd);
	free(each);
	coax_accel_close(accel);
}

TEST("a program left on an interface that is no longer asked for is detached too")
{
	static const char *const others[] = {"other0"};
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link add other0 type veth peer name other1");
	options.interfaces = others;
	serve_and_be_killed(&options, NULL);
	ASSERT_NE(keeper_attached("other0"), 0U);
	accel = keeper_begin();
	EXPECT_EQ(keeper_attached("other0"), 0U);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	coax_accel_close(accel);
}

TEST("a killed owner's program that is out of reach does not answer for the next owner")
{
	static const char *const others[] = {"other0"};
	static const uint8_t ping[4] = {0x40};
	struct coax_accel_options options = keeper_options();
	union coax_address v4 = keeper_address("0.0.0.0");
	struct coax_accel *accel;
	uint8_t reply[16];
	int former;

	lab_begin();
	lab_run("ip link add other0 type veth peer name other1");
	lab_run("ip addr add " LAB_SERVER_IPV4 "/32 dev lo");
	serve_and_be_killed(&options, NULL);
	former = lab_program();
	EXPECT_EQ(lab_ask(former, ping, sizeof(ping), reply, sizeof(reply)), 4);
	lab_run("ip link set " LAB_SERVER " netns %d", lab_client_pid);

	options.interfaces = others;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_TRUE(keeper_said("took over instance 'default'"));
	ASSERT_EQ(coax_accel_add_endpoint(accel, &v4), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	EXPECT_EQ(lab_ask(former, ping, sizeof(ping), reply, sizeof(reply)), 0);
	close(former);
	coax_accel_close(accel);
}

TEST("a program whose pins are gone with its owner goes with them, or is replaced")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;
	uint32_t left;

	lab_begin();
	options.lease_ms = 1;
	serve_and_be_killed(&options, NULL);
	lab_run("rm -r " COAX_PIN_ROOT);
	usleep(20000);
	/* A pinned link goes with its pin, and takes the program along; others stay. */
	left = keeper_attached(LAB_SERVER);
	accel = keeper_begin();
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(keeper_attached(LAB_SERVER), left);
	coax_accel_close(accel);
}

TEST("a sequence that a killed writer left odd is even after the takeover")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;
	struct coax_slot published = {.sequence = 41, .deadline = COAX_NEVER};
	struct coax_slot withdrawn = {.sequence = 41};
	const uint32_t numbers[] = {5, 6};
	int fd;

	lab_begin();
	serve_and_be_killed(&options, NULL);
	fd = keeper_map("slots");
	ASSERT_EQ(bpf_map_update_elem(fd, &numbers[0], &published, BPF_ANY), 0);
	ASSERT_EQ(bpf_map_update_elem(fd, &numbers[1], &withdrawn, BPF_ANY), 0);
	close(fd);
	accel = keeper_open();
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(keeper_slot(numbers[i]).sequence, 42U);
		EXPECT_EQ(keeper_slot(numbers[i]).deadline, 0ULL);
	}
	coax_accel_close(accel);
}

TEST("pinned maps of another size are swapped for new ones")
{
	struct coax_accel_options options = keeper_options();
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	struct coax_accel *accel;
	uint32_t left;
	int fd;

	lab_begin();
	serve_and_be_killed(&options, "left");
	left = keeper_attached(LAB_SERVER);
	options.slots = 2 * KEEPER_SLOTS;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	EXPECT_TRUE(keeper_said("making new ones"));
	EXPECT_NE(keeper_attached(LAB_SERVER), left);
	EXPECT_EQ(keeper_entries("index"), 0U);
	fd = keeper_map("slots");
	ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	EXPECT_EQ(info.max_entries, 2U * KEEPER_SLOTS);
	close(fd);
	coax_accel_close(accel);
	EXPECT_NE(access(COAX_PIN_ROOT, F_OK), 0);
}

TEST("pinned maps of another layout are swapped for new ones")
{
	struct coax_accel_options options = keeper_options();
	struct coax_config config;
	const uint32_t only = 0;
	struct coax_accel *accel;
	uint32_t left;
	int fd;

	lab_begin();
	serve_and_be_killed(&options, NULL);
	left = keeper_attached(LAB_SERVER);
	config = keeper_config();
	config.layout = COAX_LAYOUT + 1;
	fd = keeper_map("config");
	ASSERT_EQ(bpf_map_update_elem(fd, &only, &config, BPF_ANY), 0);
	close(fd);
	accel = keeper_begin();
	EXPECT_EQ(keeper_config().layout, (uint32_t)COAX_LAYOUT);
	EXPECT_NE(keeper_attached(LAB_SERVER), left);
	coax_accel_close(accel);
}

TEST("a second owner of a living instance is refused, and the first goes on")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel, *second = NULL;
	char words[64];

	lab_begin();
	accel = keeper_begin();
	EXPECT_EQ(coax_accel_open(&second, &options, &keeper_logger), -EBUSY);
	EXPECT_TRUE(second == NULL);
	snprintf(words, sizeof(words), "pid %d", getpid());
	EXPECT_TRUE(keeper_said(words));
	EXPECT_TRUE(keeper_said("another instance name"));
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	EXPECT_GT(keeper_config().lease, 0ULL);
	coax_accel_close(accel);
}

TEST("another instance's living program on the interface is left alone")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel, *second;
	uint32_t first;

	lab_begin();
	accel = keeper_begin();
	first = keeper_attached(LAB_SERVER);
	options.instance = "second";
	ASSERT_EQ(coax_accel_open(&second, &options, &keeper_logger), 0);
	if (keeper_config().attachments[0].rung == COAX_RUNG_NATIVE) {
		EXPECT_EQ(coax_accel_attach(second), -EBUSY);
		EXPECT_EQ(keeper_attached(LAB_SERVER), first);
	}
	coax_accel_close(second);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(access(COAX_PIN_ROOT "/second", F_OK), 0);
	EXPECT_EQ(access(KEEPER_DIRECTORY, F_OK), 0);
	coax_accel_close(accel);
}

TEST("somebody else's XDP program is named and left alone")
{
	struct coax_accel *accel;
	uint32_t foreign;
	char words[64];

	lab_begin();
	foreign = attach_foreign(LAB_SERVER);
	accel = keeper_open();
	EXPECT_EQ(coax_accel_attach(accel), -EBUSY);
	snprintf(words, sizeof(words), "'coax_stub', id %u", foreign);
	EXPECT_TRUE(keeper_said(words));
	EXPECT_TRUE(keeper_said("WARNING"));
	EXPECT_EQ(keeper_attached(LAB_SERVER), foreign);
	EXPECT_EQ(keeper_config().lease, 0ULL);
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached(LAB_SERVER), foreign);
}

TEST("one interface of several may fail: the others are attached")
{
	static const char *const some[] = {"nowhere", LAB_SERVER, "other0", LAB_SERVER};
	struct coax_accel_options options = keeper_options();
	struct coax_config config;
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link add other0 type veth peer name other1");
	options.interfaces = some;
	options.interface_count = 4;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_EQ(coax_accel_attach(accel), 0);
	EXPECT_TRUE(keeper_said("no interface 'nowhere'"));
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	EXPECT_NE(keeper_attached("other0"), 0U);
	config = keeper_config();
	EXPECT_EQ(config.attachments[0].ifindex, 0U);
	EXPECT_EQ(config.attachments[1].ifindex, if_nametoindex(LAB_SERVER));
	EXPECT_EQ(config.attachments[2].ifindex, if_nametoindex("other0"));
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
	EXPECT_EQ(keeper_attached("other0"), 0U);
}

/* veth has no native mode on an interface with fewer receive queues than its peer has for sending.
 */
static const char *const narrow[] = {"narrow0"};

static void make_narrow(void)
{
	lab_run("ip link add narrow0 numrxqueues 1 type veth peer name narrow1 numtxqueues 2 && "
		"ethtool -L narrow1 tx 2");
}

TEST("without native mode the program is not attached, unless generic mode is asked for")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;

	lab_begin();
	make_narrow();
	options.interfaces = narrow;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_LT(coax_accel_attach(accel), 0);
	EXPECT_TRUE(keeper_said("WARNING: narrow0: XDP program not attached"));
	EXPECT_TRUE(keeper_said("a receive queue for each queue that the other end sends by"));
	EXPECT_EQ(keeper_attached("narrow0"), 0U);
	EXPECT_EQ(keeper_config().lease, 0ULL);
	coax_accel_close(accel);

	options.generic = true;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_EQ(coax_accel_attach(accel), 0);
	EXPECT_NE(keeper_attached("narrow0"), 0U);
	EXPECT_TRUE(keeper_config().attachments[0].rung == COAX_RUNG_GENERIC);
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached("narrow0"), 0U);
}

TEST("what a killed owner left in generic mode is taken over as well")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;

	lab_begin();
	make_narrow();
	options.interfaces = narrow;
	options.generic = true;
	serve_and_be_killed(&options, NULL);
	ASSERT_NE(keeper_attached("narrow0"), 0U);
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_EQ(keeper_attached("narrow0"), 0U);
	coax_accel_close(accel);
}

TEST("without libxdp's dispatcher the program is attached alone, and it is said why")
{
	struct coax_accel *accel;

	lab_begin();
	ASSERT_EQ(setenv("LIBXDP_OBJECT_PATH", "/nowhere", 1), 0);
	accel = keeper_begin();
	EXPECT_TRUE(keeper_said("is its xdp-dispatcher.o installed?"));
	EXPECT_TRUE(keeper_config().attachments[0].rung == COAX_RUNG_NATIVE);
	EXPECT_NE(keeper_attached(LAB_SERVER), 0U);
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
}

TEST("an interface that goes is missed, and one that comes back is attached to")
{
	static const char *const others[] = {"other0", LAB_SERVER};
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;

	lab_begin();
	lab_run("ip link add other0 type veth peer name other1");
	options.interfaces = others;
	options.interface_count = 2;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	lab_run("ip link del other0");
	coax_accel_process(accel);
	EXPECT_TRUE(keeper_said("other0 is gone"));
	EXPECT_EQ(keeper_config().attachments[0].ifindex, 0U);
	EXPECT_EQ(keeper_config().attachments[1].ifindex, if_nametoindex(LAB_SERVER));
	lab_run("ip link add other0 type veth peer name other1");
	coax_accel_process(accel);
	EXPECT_NE(keeper_attached("other0"), 0U);
	EXPECT_EQ(keeper_config().attachments[0].ifindex, if_nametoindex("other0"));
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached("other0"), 0U);
}

TEST("an interface that is moved to another network takes no answers along")
{
	static const uint8_t ping[4] = {0x40};
	struct coax_accel *accel;
	uint8_t reply[16];
	int program;

	lab_begin();
	lab_run("ip addr add " LAB_SERVER_IPV4 "/32 dev lo");
	accel = keeper_begin();
	program = lab_program();
	EXPECT_EQ(lab_ask(program, ping, sizeof(ping), reply, sizeof(reply)), 4);
	lab_run("ip link set " LAB_SERVER " netns %d", lab_client_pid);
	coax_accel_process(accel);
	EXPECT_TRUE(keeper_said(LAB_SERVER " is gone"));
	EXPECT_EQ(lab_ask(program, ping, sizeof(ping), reply, sizeof(reply)), 0);
	close(program);
	coax_accel_close(accel);
}

TEST("names that could lead out of the directory, or that a bpffs does not take, are refused")
{
	static const char *const names[] = {"",	   ".",	   "..",  "a.b", "a..b",
					    "a/b", "../x", "a b", "\n"};
	char longest[80];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct coax_accel_options options = keeper_options();
		struct coax_accel *accel;

		options.instance = names[i];
		EXPECT_EQ(coax_accel_open(&accel, &options, &keeper_logger), -EINVAL);
		EXPECT_EQ(coax_accel_open_map(names[i], "stats"), -EINVAL);
	}
	memset(longest, 'a', sizeof(longest));
	longest[64] = 0;
	EXPECT_EQ(coax_accel_open_map(longest, "stats"), -EINVAL);
	EXPECT_EQ(coax_accel_open_map(NULL, "../x"), -EINVAL);
	EXPECT_EQ(coax_accel_open_map(NULL, ""), -EINVAL);
}

TEST("options out of range are refused with a word on why")
{
	static const char *const bad[] = {"an-interface-name-too-long"};
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;

	options.slots = UINT32_MAX;
	EXPECT_EQ(coax_accel_open(&accel, &options, &keeper_logger), -EINVAL);
	EXPECT_TRUE(keeper_said("slots: at most"));
	options = keeper_options();
	options.interfaces = bad;
	EXPECT_EQ(coax_accel_open(&accel, &options, &keeper_logger), -EINVAL);
	EXPECT_TRUE(keeper_said("no interface name"));
	options.interface_count = COAX_ATTACHMENTS_MAX + 1;
	EXPECT_EQ(coax_accel_open(&accel, &options, &keeper_logger), -EINVAL);
	EXPECT_TRUE(keeper_said("can be attached to"));
}

TEST("without privileges opening fails and says what it takes")
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel;

	lab_begin();
	ASSERT_EQ(mkdir(COAX_PIN_ROOT, 0755), 0);
	ASSERT_EQ(seteuid(65534), 0);
	EXPECT_LT(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_TRUE(keeper_said("run as root"));
	ASSERT_EQ(seteuid(0), 0);

	/* The directory alone does not do. */
	keeper_lines[0] = 0;
	ASSERT_EQ(chown(COAX_PIN_ROOT, 65534, 65534), 0);
	ASSERT_EQ(seteuid(65534), 0);
	EXPECT_LT(coax_accel_open(&accel, &options, &keeper_logger), 0);
	EXPECT_TRUE(keeper_said("it needs CAP_BPF, CAP_NET_ADMIN"));
	ASSERT_EQ(seteuid(0), 0);
	EXPECT_NE(access(KEEPER_DIRECTORY, F_OK), 0);
}

TEST("a missing bpffs is mounted")
{
	struct coax_accel *accel;

	lab_begin();
	/* Hidden, not unmounted: the machine's own may lie below. */
	ASSERT_EQ(mount("tmpfs", "/sys/fs/bpf", "tmpfs", 0, NULL), 0);
	accel = keeper_begin();
	EXPECT_EQ(access(KEEPER_DIRECTORY "/config", F_OK), 0);
	EXPECT_TRUE(keeper_said("mounted a bpffs"));
	coax_accel_close(accel);
}

TEST_MAIN()
