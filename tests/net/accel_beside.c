// SPDX-License-Identifier: BSD-2-Clause
/*
 * Beside other XDP programs on the same interface. Whether there is room for them is for libxdp and
 * the kernel to say: some kernels refuse any program in libxdp's dispatcher, others those that
 * resize frames (libxdp before 1.5.5 on Linux 6.12). What must hold then is the ladder's next rung.
 * Where the dispatcher is known to work, COAX_TEST_DISPATCHER is set, and it must.
 */
#include <xdp/libxdp.h>
#include "../harness.h"
#include "../keeper.h"
#include "tests/bpf/beside.skel.h"

struct beside {
	struct beside_bpf *object;
	struct xdp_program *program;
};

static int beside_attach(struct beside *beside, const char *name, unsigned int priority)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .prog_name = name);
	struct bpf_program *program;
	int err;

	beside->object = beside_bpf__open();
	ASSERT_TRUE(beside->object);
	bpf_object__for_each_program(program, beside->object->obj)
		bpf_program__set_autoload(program, strcmp(bpf_program__name(program), name) == 0);
	options.obj = beside->object->obj;
	beside->program = xdp_program__create(&options);
	ASSERT_EQ(libxdp_get_error(beside->program), 0);
	ASSERT_EQ(xdp_program__set_run_prio(beside->program, priority), 0);
	err = xdp_program__attach(beside->program, (int)if_nametoindex(LAB_SERVER), XDP_MODE_NATIVE,
				  0);
	if (err)
		HARNESS_SAY("%s, priority %u: %s", name, priority, strerror(-err));
	return err;
}

static void beside_close(struct beside *beside)
{
	xdp_program__close(beside->program);
	beside_bpf__destroy(beside->object);
}

static void beside_detach(struct beside *beside)
{
	EXPECT_EQ(xdp_program__detach(beside->program, (int)if_nametoindex(LAB_SERVER),
				      XDP_MODE_NATIVE, 0),
		  0);
	beside_close(beside);
}

static uint64_t beside_take(const struct beside *beside)
{
	const uint32_t only = 0;
	uint64_t seen, none = 0;
	int map = bpf_map__fd(beside->object->maps.data_seen);

	ASSERT_EQ(bpf_map_lookup_elem(map, &only, &seen), 0);
	ASSERT_EQ(bpf_map_update_elem(map, &only, &none, BPF_ANY), 0);
	return seen;
}

static bool is_dispatched(void)
{
	struct xdp_multiprog *attached =
		xdp_multiprog__get_from_ifindex((int)if_nametoindex(LAB_SERVER));
	bool dispatched;

	if (libxdp_get_error(attached))
		return false;
	dispatched = !xdp_multiprog__is_legacy(attached);
	xdp_multiprog__close(attached);
	return dispatched;
}

/* Whether libxdp's dispatcher takes a program like ours, tried with one that is not. */
static bool dispatcher_takes(const char *name)
{
	struct beside probe;
	bool taken = !beside_attach(&probe, name, 50) && is_dispatched();

	if (keeper_attached(LAB_SERVER))
		beside_detach(&probe);
	else
		beside_close(&probe);
	ASSERT_EQ(keeper_attached(LAB_SERVER), 0U);
	HARNESS_SAY("libxdp's dispatcher takes %s: %s", name, taken ? "yes" : "no");
	if (!taken && getenv("COAX_TEST_DISPATCHER"))
		HARNESS_STOP();
	return taken;
}

/* Whether a GET of `path` that comes in is answered by what is attached. */
static bool is_answered(const char *path)
{
	struct keeper_exchange exchange;
	uint8_t reply[COAX_MESSAGE_MAX];
	int program = lab_program();
	ssize_t length;

	keeper_make(&exchange, path, "");
	length = lab_ask(program, exchange.request.data, exchange.request.length, reply,
			 sizeof(reply));
	close(program);
	ASSERT_GE(length, 0);
	return length > 0;
}

static struct coax_subject *publish(struct coax_accel *accel)
{
	struct coax_subject *subject;

	ASSERT_EQ(coax_subject_create(&subject), 0);
	ASSERT_TRUE(keeper_publish(accel, subject, "known", "reply"));
	return subject;
}

static void share_the_dispatcher(void)
{
	struct beside before, after;
	struct coax_subject *subject;
	struct coax_accel *accel;

	accel = keeper_begin();
	EXPECT_TRUE(keeper_config().attachments[0].rung == COAX_RUNG_DISPATCHER);
	subject = publish(accel);
	EXPECT_TRUE(is_answered("known"));

	ASSERT_EQ(beside_attach(&before, "beside_counts", 10), 0);
	ASSERT_EQ(beside_attach(&after, "beside_counts", 90), 0);
	EXPECT_TRUE(is_answered("known"));
	EXPECT_EQ(beside_take(&before), 1U);
	EXPECT_EQ(beside_take(&after), 0U);
	EXPECT_FALSE(is_answered("unknown"));
	EXPECT_EQ(beside_take(&before), 1U);
	EXPECT_EQ(beside_take(&after), 1U);

	/* And when we go, they stay. */
	coax_subject_put(subject);
	coax_accel_close(accel);
	EXPECT_FALSE(is_answered("known"));
	EXPECT_EQ(beside_take(&before), 1U);
	EXPECT_EQ(beside_take(&after), 1U);
	beside_detach(&before);
	beside_detach(&after);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
}

static void be_alone(void)
{
	struct beside other;
	struct coax_subject *subject;
	struct coax_accel *accel;

	accel = keeper_begin();
	EXPECT_TRUE(keeper_config().attachments[0].rung == COAX_RUNG_NATIVE);
	EXPECT_TRUE(
		keeper_said("INFO: " LAB_SERVER ": XDP program attached in native mode, alone"));
	subject = publish(accel);
	EXPECT_TRUE(is_answered("known"));

	EXPECT_LT(beside_attach(&other, "beside_counts", 10), 0);
	beside_close(&other);
	EXPECT_TRUE(is_answered("known"));
	coax_subject_put(subject);
	coax_accel_close(accel);
	EXPECT_EQ(keeper_attached(LAB_SERVER), 0U);
}

TEST("who joins us sees each packet, or what we pass; where nobody can, we are attached alone")
{
	lab_begin();
	if (dispatcher_takes("beside_resizes"))
		share_the_dispatcher();
	else
		be_alone();
}

TEST("who was there first stays: we join in, or say that there is no room")
{
	struct beside first;
	struct coax_subject *subject;
	struct coax_accel *accel;
	bool room;

	lab_begin();
	room = dispatcher_takes("beside_resizes");
	ASSERT_EQ(beside_attach(&first, "beside_counts", 10), 0);
	accel = keeper_open();
	if (room) {
		union coax_address any = keeper_address("0.0.0.0");

		ASSERT_EQ(coax_accel_add_endpoint(accel, &any), 0);
		ASSERT_EQ(coax_accel_attach(accel), 0);
		EXPECT_TRUE(keeper_config().attachments[0].rung == COAX_RUNG_DISPATCHER);
		subject = publish(accel);
		EXPECT_TRUE(is_answered("known"));
		coax_subject_put(subject);
	} else {
		EXPECT_LT(coax_accel_attach(accel), 0);
		EXPECT_TRUE(keeper_said("WARNING: " LAB_SERVER));
		EXPECT_FALSE(is_answered("known"));
	}
	EXPECT_EQ(beside_take(&first), 1U);
	coax_accel_close(accel);
	EXPECT_FALSE(is_answered("known"));
	EXPECT_EQ(beside_take(&first), 1U);
	beside_detach(&first);
}

TEST_MAIN()
