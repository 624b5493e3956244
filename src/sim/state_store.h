/*
 * state_store: the simulated storage behind the state store port (store/store.h): what sim_storage_get finds exists, what sim_storage_lose
 * took is absent, and while sim_storage_down nothing is known.
 */
#ifndef WEIR_SIM_STATE_STORE_H
#define WEIR_SIM_STATE_STORE_H

#include "sim/sim.h"
#include "store/store.h"

/* Valid as long as the sim; for state_stores_add under the prefixes that a test uses, or by itself. */
struct state_store sim_state_store(struct sim *sim);

#endif
