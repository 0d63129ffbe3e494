/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network of the test's own: this process moves to a network namespace (the server's side) and
 * a mount namespace with a private bpffs, and a child holds the client's side. All of it goes when
 * the processes do.
 */
#ifndef COAX_TEST_LAB_H
#define COAX_TEST_LAB_H

#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include "bpf/frame.h"
#include "client.h"
#include "context.h"
#include "harness.h"

#define LAB_SERVER	"server0"
#define LAB_CLIENT	"client0"
#define LAB_SERVER_IPV4 "192.0.2.1"
#define LAB_CLIENT_IPV4 "192.0.2.2"
#define LAB_SERVER_IPV6 "2001:db8::1"
#define LAB_CLIENT_IPV6 "2001:db8::2"
#define LAB_SERVER_MAC	"02:00:00:00:00:01"
#define LAB_CLIENT_MAC	"02:00:00:00:00:02"

static pid_t lab_client_pid;

__attribute__((format(printf, 1, 2))) static inline void lab_run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0) {
		HARNESS_SAY("failed: %s", command);
		HARNESS_STOP();
	}
}

/* Move the calling thread to the client's side of the network. */
static inline void lab_enter_client(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", lab_client_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(setns(fd, CLONE_NEWNET), 0);
	close(fd);
}

static inline void lab_hold_client(int ready)
{
	lab_client_pid = fork();
	ASSERT_GE(lab_client_pid, 0);
	if (lab_client_pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* A program that passes everything: veth wants one on the other end for XDP_TX to arrive. */
static inline void lab_attach_stub(const char *interface)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "coax_stub", "GPL", pass, 2, NULL);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(bpf_xdp_attach((int)if_nametoindex(interface), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
}

/* On the client's side: what does not leave this thread, and sockets, which stay there. */
static inline void lab_on_client(void *(*run)(void *arg), void *arg)
{
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, run, arg), 0);
	pthread_join(thread, NULL);
}

static inline void *lab_client_setup(void *unused)
{
	(void)unused;
	lab_enter_client();
	lab_run("ip link set lo up && ip link set " LAB_CLIENT " address " LAB_CLIENT_MAC " up");
	lab_run("ip addr add " LAB_CLIENT_IPV4 "/24 dev " LAB_CLIENT);
	lab_run("ip addr add " LAB_CLIENT_IPV6 "/64 dev " LAB_CLIENT " nodad");
	lab_run("ip neigh replace " LAB_SERVER_IPV4 " lladdr " LAB_SERVER_MAC " dev " LAB_CLIENT);
	lab_run("ip neigh replace " LAB_SERVER_IPV6 " lladdr " LAB_SERVER_MAC " dev " LAB_CLIENT);
	lab_attach_stub(LAB_CLIENT);
	return NULL;
}

/* The whole lab. Skips where the machine does not let us. */
static inline void lab_begin(void)
{
	int ready[2];
	char byte;

	if (geteuid() != 0)
		SKIP("needs root");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET))
		SKIP("no network namespaces here");
	ASSERT_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ASSERT_EQ(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), 0);
	ASSERT_EQ(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	ASSERT_EQ(pipe(ready), 0);
	lab_hold_client(ready[1]);
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);

	lab_run("ip link set lo up");
	lab_run("ip link add " LAB_SERVER " address " LAB_SERVER_MAC
		" type veth peer name " LAB_CLIENT " netns %d",
		lab_client_pid);
	lab_run("ip link set " LAB_SERVER " up");
	lab_run("ip addr add " LAB_SERVER_IPV4 "/24 dev " LAB_SERVER);
	lab_run("ip addr add " LAB_SERVER_IPV6 "/64 dev " LAB_SERVER " nodad");
	lab_run("ip neigh replace " LAB_CLIENT_IPV4 " lladdr " LAB_CLIENT_MAC " dev " LAB_SERVER);
	lab_run("ip neigh replace " LAB_CLIENT_IPV6 " lladdr " LAB_CLIENT_MAC " dev " LAB_SERVER);
	lab_on_client(lab_client_setup, NULL);
}

static inline void *lab_connect(void *fd)
{
	lab_enter_client();
	*(int *)fd = client_open(LAB_SERVER_IPV4, 5683);
	return NULL;
}

/* A socket of the client's, connected to the server. */
static inline int lab_client_open(void)
{
	int fd = -1;

	lab_on_client(lab_connect, &fd);
	ASSERT_GE(fd, 0);
	return fd;
}

/* Of a Context on the server's side, with a kernel half. */
static inline struct coax_context_options lab_options(void)
{
	static const char *const interface = LAB_SERVER, *const any = "*:5683";

	return (struct coax_context_options){
		.bind = &any,
		.bind_count = 1,
		.workers = 1,
		.accel = {.interfaces = &interface, .interface_count = 1},
	};
}

/* The program attached to the server's interface, for BPF_PROG_TEST_RUN. */
static inline int lab_program(void)
{
	__u32 id = 0;
	int fd;

	ASSERT_EQ(bpf_xdp_query_id((int)if_nametoindex(LAB_SERVER), 0, &id), 0);
	ASSERT_NE(id, 0U);
	fd = bpf_prog_get_fd_by_id(id);
	ASSERT_GE(fd, 0);
	return fd;
}

/* From the client to port 5683 of the server. */
static inline struct frame_flow lab_flow(void)
{
	return (struct frame_flow){
		.source_mac = {2, 0, 0, 0, 0, 2},
		.destination_mac = {2, 0, 0, 0, 0, 1},
		.source_ip = {192, 0, 2, 2},
		.destination_ip = {192, 0, 2, 1},
		.source_port = 40000,
		.destination_port = 5683,
		.ttl = 64,
	};
}

/*
 * Put a message into the program as a frame of `flow`. Returns the length of the message in its
 * reply, 0 when it passed the frame, -1 when it dropped it.
 */
static inline ssize_t lab_ask_by(int program, const struct frame_flow *flow, const void *message,
				 size_t length, uint8_t *reply, size_t size)
{
	struct frame frame;
	uint8_t out[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.bytes, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	frame_build(&frame, flow, message, length);
	options.data_size_in = (uint32_t)frame.length;
	ASSERT_EQ(bpf_prog_test_run_opts(program, &options), 0);
	if (options.retval != XDP_TX)
		return options.retval == XDP_PASS ? 0 : -1;
	ASSERT_GE(options.data_size_out, frame.coap);
	length = options.data_size_out - frame.coap;
	ASSERT_LE(length, size);
	memcpy(reply, out + frame.coap, length);
	return (ssize_t)length;
}

static inline ssize_t lab_ask(int program, const void *message, size_t length, uint8_t *reply,
			      size_t size)
{
	struct frame_flow flow = lab_flow();

	return lab_ask_by(program, &flow, message, length, reply, size);
}

#endif
