// SPDX-License-Identifier: BSD-2-Clause
/*
 * coaxd: serves a directory over CoAP.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <coax/context.h>
#include "coaxd/files.h"
#include "coaxd/options.h"

/* Before threads exist, so that the signals wait for sigwait() in all of them. */
static void block_signals(sigset_t *ending)
{
	struct sigaction hangup;

	sigemptyset(ending);
	sigaddset(ending, SIGTERM);
	sigaddset(ending, SIGINT);
	/* Under nohup the end of the terminal is not to be the daemon's. */
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaddset(ending, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ending, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Too large a file is an error of a write, not the end. */
	signal(SIGXFSZ, SIG_IGN);
}

static void tell_ready(const struct coaxd_options *options)
{
	if (options->ready_fd < 0)
		return;
	if (write(options->ready_fd, "\n", 1) != 1)
		coax_log(&options->files.logger, COAX_LOG_WARNING,
			 "cannot write to file descriptor %d of --ready-fd: %s", options->ready_fd,
			 strerror(errno));
	close(options->ready_fd);
}

static int serve(struct coaxd_options *options, struct coax_site *site, const sigset_t *ending)
{
	const struct coax_logger *logger = &options->files.logger;
	struct coax_context *context;
	int number, err;

	options->context.site = site;
	err = coax_context_create(&context, &options->context);
	if (err)
		return err;
	coax_log(logger, COAX_LOG_INFO, "serving %s on port %u", options->files.directory,
		 coax_context_port(context));
	if (!options->context.accel.interface_count)
		coax_log(logger, COAX_LOG_INFO,
			 "answering from userspace alone: no --interface was named for the kernel "
			 "to answer on");
	tell_ready(options);

	sigwait(ending, &number);
	coax_log(logger, COAX_LOG_INFO, "ending on %s", strsignal(number));
	coax_context_shutdown(context);
	return 0;
}

int main(int argc, char **argv)
{
	struct coaxd_files *files = NULL;
	struct coax_site *site = NULL;
	struct coaxd_options options;
	sigset_t ending;
	int status = coaxd_options_read(&options, argc, argv);
	int err;

	if (status >= 0)
		return status;
	block_signals(&ending);

	err = coaxd_files_create(&files, &options.files);
	if (err)
		return EXIT_FAILURE;
	err = coax_site_create(&site);
	if (!err)
		err = coaxd_files_add(files, site);
	if (err)
		coax_log(&options.files.logger, COAX_LOG_ERROR, "cannot build the site: %s",
			 strerror(-err));
	else
		err = serve(&options, site, &ending);
	coax_site_destroy(site);
	coaxd_files_destroy(files);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
