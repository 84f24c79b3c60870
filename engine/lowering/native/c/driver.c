/* The driver: checked tapes, blocks of samples, threads, training. Compiled once, for any machine of the kind. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <string.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#include "instruction_sets.h"
#include "tape.h"
#include "checks.h"
#include "threads.h"
#include "run.h"
#include "objects.h"
#include "terms.h"
#include "writing.h"
#include "graphs.h"
#include "training.h"
