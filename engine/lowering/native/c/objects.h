/* Numbers read out of Python's lists, tuples, floats and Values, and written into Values, in the time it takes to look at each.
 *
 * The library is built without Python's headers, for any version. objects.py finds by experiment where the fields lie, and
 * uses none of this where an experiment fails. Called with the interpreter's lock held. */
#pragma once
typedef struct {
    const void *list, *tuple, *real, *integer, *truth; /* the types */
    int64_t count, type, size, list_items, tuple_items, number; /* where in an object, in bytes */
    double (*as_double)(void *);  /* PyFloat_AsDouble; may set an error, and then returns -1.0 */
    void *(*error)(void);         /* PyErr_Occurred */
    void *(*from_double)(double); /* PyFloat_FromDouble */
    void (*hold)(void *), (*let_go)(void *); /* Py_IncRef, Py_DecRef */
    void *(*allocate)(void *, int64_t);      /* PyType_GenericAlloc */
} Objects;

enum { SOON = 256, MANY = 1 << 16 }; /* numbers: how far ahead they are called, and of how many they are called at all */
enum { NEXT = 64 };                  /* objects that are called ahead */
enum { FINITE, NOT_ALL_FINITE, NOT_READ };

static inline void *field(const void *object, int64_t offset) { return *(void **)((const char *)object + offset); }
static inline int64_t is_not_finite(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return (bits & 0x7ff0000000000000u) == 0x7ff0000000000000u;
}
/* Calls an object of n ahead: its type, and a slot, which may lie in another cache line. GCC takes a function that only does
 * this for one that does nothing, unless it must be inlined. */
static inline __attribute__((always_inline)) void call_ahead(const Objects *o, void *const *objects, int64_t i, int64_t n, int64_t slot) {
    if (i + NEXT >= n) return;
    __builtin_prefetch((char *)objects[i + NEXT] + o->type);
    __builtin_prefetch((char *)objects[i + NEXT] + slot);
}
/* An object that is a number as a double; 0 where it is none. */
static inline int read_number(const Objects *o, void *x, double *out) {
    const void *type = field(x, o->type);
    if (type == o->real) memcpy(out, (char *)x + o->number, 8);
    else if (type == o->integer || type == o->truth) {
        *out = o->as_double(x);
        if (*out == -1.0 && o->error()) return 0;
    } else return 0;
    return 1;
}
/* Floats as doubles, as far as eight at a time are floats; returns how many were. `ahead` are as many objects that are
 * wanted soon, or NULL: the processor does not foresee where floats lie. */
static inline int64_t read_floats(const Objects *o, void *const *items, void *const *ahead, int64_t n, double *out, int *found) {
    const int64_t at_type = o->type, number = o->number;
    const void *real = o->real;
    uint64_t odd = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t other = 0, x[8];
        for (int k = 0; ahead && k < 8; k++) __builtin_prefetch(ahead[i + k]);
        for (int k = 0; k < 8; k++) other |= (uint64_t)field(items[i + k], at_type) ^ (uint64_t)real;
        if (other) break;
        for (int k = 0; k < 8; k++) memcpy(x + k, (char *)items[i + k] + number, 8);
        for (int k = 0; k < 8; k++) odd |= (x[k] & 0x7ff0000000000000u) + 0x0010000000000000u; /* carries where not finite */
        memcpy(out + i, x, 64);
    }
    if (odd >> 63) *found = NOT_ALL_FINITE;
    return i;
}
/* What a list or a tuple of so many objects consists of; NULL for anything else. */
static inline void **items_of(const Objects *o, const void *row, int64_t width) {
    const void *type = field(row, o->type);
    if ((type != o->list && type != o->tuple) || (int64_t)field(row, o->size) != width) return NULL;
    return type == o->list ? field(row, o->list_items) : (void **)((char *)row + o->tuple_items);
}
/* Rows, each a list or a tuple of so many numbers; `table` is a list. */
EXPORT int32_t read_rows(const Objects *o, const void *table, int64_t n, int64_t width, double *out) {
    void **rows = field(table, o->list_items);
    const int64_t far = n * width < MANY ? n : SOON / width + 1; /* rows */
    int found = FINITE;
    for (int64_t i = 0; i < n; i++, out += width) {
        void **items = items_of(o, rows[i], width), **ahead = i + far < n ? items_of(o, rows[i + far], width) : NULL;
        if (!items) return NOT_READ;
        for (int64_t k = read_floats(o, items, ahead, width, out, &found); k < width; k++) {
            if (!read_number(o, items[k], out + k)) return NOT_READ;
            if (is_not_finite(out[k])) found = NOT_ALL_FINITE;
        }
    }
    return found;
}
/* The numbers in a slot of each object of a list; 0 where one holds none, or is of another type. */
EXPORT int32_t read_slots(const Objects *o, const void *list, int64_t n, const void *kind, int64_t slot, double *out) {
    void **objects = field(list, o->list_items);
    for (int64_t i = 0; i < n; i++) {
        call_ahead(o, objects, i, n, slot);
        if (field(objects[i], o->type) != kind) return 0;
        void *x = field(objects[i], slot);
        if (!x || !read_number(o, x, out + i)) return 0;
    }
    return 1;
}
/* Whether a list consists of the items of tuples, which are in a list: the same objects, which are not looked at. */
EXPORT int32_t consists_of(const Objects *o, const void *list, const void *tuples) {
    if (field(list, o->type) != o->list) return 0;
    void **items = field(list, o->list_items), **groups = field(tuples, o->list_items);
    int64_t n = (int64_t)field(list, o->size), n_groups = (int64_t)field(tuples, o->size), at = 0;
    for (int64_t k = 0; k < n_groups; k++) {
        if (field(groups[k], o->type) != o->tuple) return 0;
        int64_t size = (int64_t)field(groups[k], o->size);
        if (size > n - at || memcmp(items + at, (char *)groups[k] + o->tuple_items, 8 * (size_t)size)) return 0;
        at += size;
    }
    return at == n;
}
/* Doubles as floats into a slot of each object of a list; one that nothing else holds is written over. Objects must be of one
 * type, and hold a number there: the end of anything else might run a program. 0 at the first that is otherwise, or where
 * memory ran out, and an error is set; those before it are written then. */
EXPORT int32_t write_slots(const Objects *o, const void *list, int64_t n, const void *kind, int64_t slot, const double *x) {
    void **objects = field(list, o->list_items);
    for (int64_t i = 0; i < n; i++) {
        call_ahead(o, objects, i, n, slot);
        if (field(objects[i], o->type) != kind) return 0;
        void **place = (void **)((char *)objects[i] + slot), *before = *place;
        const void *type = before ? field(before, o->type) : NULL;
        if (type == o->real && (int64_t)field(before, o->count) == 1) {
            memcpy((char *)before + o->number, x + i, 8);
            continue;
        }
        if (type != o->real && type != o->integer && type != o->truth) return 0;
        void *number = o->from_double(x[i]);
        if (!number) return 0;
        *place = number;
        o->let_go(before);
    }
    return 1;
}
/* A tuple of None becomes a tuple of new objects of this type: item i gets a float and names[i] (of a tuple) in the first two
 * slots, and what is the same for all in the others. 0 where memory ran out. */
EXPORT int32_t new_objects(const Objects *o, void *kind, void *tuple, int64_t n, const double *numbers, const void *names,
                           const int64_t *slots, void *const *same, int64_t n_same) {
    void **objects = (void **)((char *)tuple + o->tuple_items), *const *second = (void **)((char *)names + o->tuple_items);
    for (int64_t i = 0; i < n; i++) {
        char *new = o->allocate(kind, 0);
        void *number = new ? o->from_double(numbers[i]) : NULL;
        if (!number) return 0;
        *(void **)(new + slots[0]) = number;
        for (int64_t k = 1; k < 2 + n_same; k++) {
            void *x = k == 1 ? second[i] : same[k - 2];
            o->hold(x);
            *(void **)(new + slots[k]) = x;
        }
        o->let_go(objects[i]);
        objects[i] = new;
    }
    return 1;
}
/* Whether all objects of a list are of one type, hold `nothing` in one slot, and are there once: each gets the mark in
 * another slot. */
EXPORT int32_t mark_slots(const Objects *o, const void *list, int64_t n, const void *kind, int64_t empty, const void *nothing,
                          int64_t slot, void *mark) {
    void **objects = field(list, o->list_items);
    for (int64_t i = 0; i < n; i++) {
        call_ahead(o, objects, i, n, slot);
        if (field(objects[i], o->type) != kind || field(objects[i], empty) != nothing) return 0;
        void **place = (void **)((char *)objects[i] + slot), *before = *place;
        if (before == mark) return 0;
        o->hold(mark);
        *place = mark;
        o->let_go(before);
    }
    return 1;
}
/* The numbers at these places. */
EXPORT void take(const double *x, const int32_t *places, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = x[places[i]];
}
EXPORT int32_t all_finite(const double *x, int64_t n) {
    uint64_t odd = 0, bits;
    for (int64_t i = 0; i < n; i++) {
        memcpy(&bits, x + i, 8);
        odd |= (bits & 0x7ff0000000000000u) + 0x0010000000000000u; /* carries where not finite */
    }
    return !(odd >> 63);
}
