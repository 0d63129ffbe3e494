/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Being interrupted: what was begun is ended in good order first.
 */
#ifndef COAX_SIGNALS_H
#define COAX_SIGNALS_H

/*
 * From now on SIGINT, SIGTERM and SIGHUP do not end the program: the descriptor that is returned
 * polls readable instead. Each does so once: who sends it again means it. A negative errno: cannot.
 */
int signals_catch(void);

/* The signal that came, 0: none. */
int signals_caught(void);

/* It has been obeyed, and is no reason to end by it any more. */
void signals_forget(void);

#endif
