/* The Bayeux protocol as a server speaks it: requests in, exchanges answered. */
#ifndef FAKE_BAYEUX_H
#define FAKE_BAYEUX_H

#include "tests/fake/exchange.h"

/* Answers all that x->text asks, now or later. Takes x over. */
void bayeux_receive(struct exchange *x);

#endif
