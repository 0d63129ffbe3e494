// SPDX-License-Identifier: BSD-2-Clause
/*
 * A killed process leaves its program on the interface. It is ours to remove when it reads our
 * instance's maps, or when the process that its maps name is gone, or was to succeed us and did
 * not.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <xdp/libxdp.h>
#include "accel/internal.h"
#include "bpf/coax.skel.h"

#define PROGRAM_MAPS_MAX 32
/* More than libxdp's dispatcher holds. */
#define LEFTOVERS_MAX 16

/* Who may have left something, besides processes that are gone. */
struct leaver {
	uint32_t former_id; /* of the config map of our instance's former owner */
	uint32_t successor; /* a process's ID */
	uint32_t own_id;    /* of our own config map, when there is a successor */
};

static bool read_config(uint32_t map_id, struct coax_config *config)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	const uint32_t only = 0;
	int fd = bpf_map_get_fd_by_id(map_id);
	bool is_config;

	if (fd < 0)
		return false;
	is_config = bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
		    strcmp(info.name, "config") == 0 && info.type == BPF_MAP_TYPE_ARRAY &&
		    info.value_size == sizeof(*config) &&
		    bpf_map_lookup_elem(fd, &only, config) == 0 && config->layout == COAX_LAYOUT;
	close(fd);
	return is_config;
}

static bool owner_is_gone(const struct coax_config *config)
{
	return config->lease <= accel_now() && kill((pid_t)config->pid, 0) != 0 && errno == ESRCH;
}

static bool is_leftover(const struct xdp_program *program, const struct leaver *leaver)
{
	uint32_t ids[PROGRAM_MAPS_MAX] = {0};
	struct bpf_prog_info info = {.map_ids = (uintptr_t)ids, .nr_map_ids = PROGRAM_MAPS_MAX};
	uint32_t size = sizeof(info);
	struct coax_config config;

	if (strcmp(xdp_program__name(program), COAX_PROGRAM_NAME) != 0)
		return false;
	if (bpf_obj_get_info_by_fd(xdp_program__fd(program), &info, &size) != 0)
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++) {
		if (leaver->former_id && ids[i] == leaver->former_id)
			return true;
		if (read_config(ids[i], &config))
			return owner_is_gone(&config) ||
			       (leaver->successor && config.pid == leaver->successor &&
				ids[i] != leaver->own_id);
	}
	return false;
}

static struct xdp_program *find_leftover(const struct xdp_multiprog *attached,
					 const struct leaver *leaver)
{
	struct xdp_program *program = NULL;

	if (xdp_multiprog__is_legacy(attached)) {
		program = xdp_multiprog__main_prog(attached);
		return program && is_leftover(program, leaver) ? program : NULL;
	}
	while ((program = xdp_multiprog__next_prog(program, attached)))
		if (is_leftover(program, leaver))
			return program;
	return NULL;
}

/* Whether there was one, and it is off now. */
static bool detach_one(const struct coax_accel *accel, uint32_t ifindex,
		       const struct leaver *leaver)
{
	struct xdp_multiprog *attached = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *program;
	uint32_t id;
	int err;

	if (libxdp_get_error(attached))
		return false;
	program = find_leftover(attached, leaver);
	if (!program) {
		xdp_multiprog__close(attached);
		return false;
	}
	id = xdp_program__id(program);
	err = xdp_program__detach(program, (int)ifindex, xdp_multiprog__attach_mode(attached), 0);
	if (err)
		coax_log(&accel->logger, COAX_LOG_WARNING,
			 "cannot detach program %u, left by a process that is gone, from interface "
			 "%u: %s",
			 id, ifindex, strerror(-err));
	else
		coax_log(&accel->logger, COAX_LOG_INFO,
			 "detached program %u, left by a process that is gone, from interface %u",
			 id, ifindex);
	xdp_multiprog__close(attached);
	return !err;
}

static void detach_all(const struct coax_accel *accel, uint32_t ifindex,
		       const struct leaver *leaver)
{
	for (int i = 0; i < LEFTOVERS_MAX; i++)
		if (!detach_one(accel, ifindex, leaver))
			return;
}

void accel_leftovers_detach(const struct coax_accel *accel, uint32_t ifindex, uint32_t former_id)
{
	const struct leaver leaver = {.former_id = former_id};

	detach_all(accel, ifindex, &leaver);
}

void accel_successor_detach(const struct coax_accel *accel, uint32_t ifindex, uint32_t pid)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	struct leaver leaver = {.successor = pid};

	if (bpf_obj_get_info_by_fd(bpf_map__fd(accel->shared->maps.config), &info, &size))
		return;
	leaver.own_id = info.id;
	detach_all(accel, ifindex, &leaver);
}
