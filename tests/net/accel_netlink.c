// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel's answers to questions for links and addresses are taken for.
 */
#include "../../user/accel/netlink.c"
#include "../harness.h"

struct answer {
	struct nlmsghdr header;
	union {
		int32_t error;
		struct nlmsgerr ack;
	};
};

static int taken(uint16_t type, uint16_t flags, int32_t error)
{
	struct accel_snapshot snapshot = {0};
	struct answer answer = {
		.header = {.nlmsg_len = NLMSG_LENGTH(type == NLMSG_DONE ? sizeof(answer.error)
									: sizeof(answer.ack)),
			   .nlmsg_type = type,
			   .nlmsg_flags = flags},
		.error = error,
	};

	return take_datagram(&snapshot, &answer, answer.header.nlmsg_len);
}

TEST("a dump is whole only when its end says so")
{
	EXPECT_EQ(taken(NLMSG_DONE, NLM_F_MULTI, 0), 1);
	EXPECT_EQ(taken(NLMSG_DONE, NLM_F_MULTI, -ENOBUFS), -ENOBUFS);
	EXPECT_EQ(taken(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, 0), -EAGAIN);
	EXPECT_EQ(taken(NLMSG_ERROR, 0, -EPERM), -EPERM);
	EXPECT_EQ(taken(NLMSG_ERROR, 0, 0), -EPROTO);
}

TEST("links and addresses of this host are found")
{
	struct accel_snapshot snapshot;
	const struct accel_link *loopback;

	ASSERT_EQ(accel_snapshot_take(&snapshot), 0);
	loopback = accel_snapshot_named(&snapshot, "lo");
	ASSERT_TRUE(loopback);
	EXPECT_FALSE(loopback->ethernet);
	EXPECT_TRUE(accel_snapshot_link(&snapshot, loopback->ifindex) == loopback);
	accel_snapshot_free(&snapshot);
}

TEST_MAIN()
