// SPDX-License-Identifier: BSD-2-Clause
/* What both halves know and nobody else: the keys of digests and cookies. */
#include <errno.h>
#include <sys/random.h>
#include <bpf/bpf.h>
#include "accel/internal.h"
#include "bpf/coax.skel.h"

const struct coax_digest_secret *coax_accel_digest(const struct coax_accel *accel)
{
	return &accel->secret.digest;
}

const struct coax_cookie_key *coax_accel_cookie_key(const struct coax_accel *accel)
{
	return &accel->secret.cookie;
}

/* It was killed before it had one, when there is none. */
static int read_secret(int fd, struct coax_secret *secret)
{
	const uint32_t only = 0;
	int err = bpf_map_lookup_elem(fd, &only, secret);

	return !err && !secret->digest.end[0] ? -ENODATA : err;
}

int accel_secret_init(struct coax_accel *accel)
{
	int fd = bpf_map__fd(accel->shared->maps.secret);
	struct coax_secret *secret = &accel->secret;
	const uint32_t only = 0;
	int err;

	err = read_secret(fd, secret);
	if (err != -ENODATA)
		return err;
	err = coax_digest_secret_random(&secret->digest);
	if (err)
		return err;
	if (getrandom(&secret->cookie, sizeof(secret->cookie), 0) != sizeof(secret->cookie))
		return -errno;
	return bpf_map_update_elem(fd, &only, secret, BPF_ANY);
}
