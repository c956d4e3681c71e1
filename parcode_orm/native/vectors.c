/* Vectors: inner products of the rows of matrices, in place. */

#include "core.h"
#include <math.h>

#define MOST_THREADS 16
#define SMALLEST 0x1p-40f /* see parcode_orm.query.columns.distance_kernels */
#define TINY 0x1p-100f
#define LANES 64 /* sums that run beside each other: they hide the latency of additions, and fill vector registers */

/* A buffer of float32 of `axes` axes, in C order and aligned. -1 and an error where it is not one. */
static int
open_floats(PyObject *from, Py_buffer *to, int axes, int writable)
{
    if (PyObject_GetBuffer(from, to, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return -1;
    const char *format = to->format == NULL ? "B" : to->format;
    format += *format == '<' || *format == '=' || *format == '@';
    if (to->ndim == axes && to->itemsize == 4 && strcmp(format, "f") == 0 && (uintptr_t)to->buf % 4 == 0)
        return 0;
    PyBuffer_Release(to);
    PyErr_SetString(PyExc_ValueError, "arrays of float32, in order and aligned, are wanted");
    return -1;
}

/* Inner products of `rows` rows of `width` numbers with one row, or with themselves where `one` is NULL. */
WIDEST static void
multiply(const float *restrict matrix, Py_ssize_t rows, Py_ssize_t width, const float *one, float *restrict out)
{
    for (Py_ssize_t row = 0; row < rows; row++, matrix += width) {
        const float *other = one == NULL ? matrix : one;
        float sums[LANES] = {0}, rest = 0;
        Py_ssize_t i = 0;
        for (; i + LANES <= width; i += LANES)
            for (int lane = 0; lane < LANES; lane++)
                sums[lane] += matrix[i + lane] * other[i + lane];
        for (; i < width; i++)
            rest += matrix[i] * other[i];
        for (int half = LANES / 2; half; half /= 2)
            for (int lane = 0; lane < half; lane++)
                sums[lane] += sums[lane + half];
        out[row] = sums[0] + rest;
    }
}

static void
square_roots(float *values, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++)
        values[i] = sqrtf(values[i]);
}

/* The matrices, one after the other, each of `width` numbers a row; the number of matrices that are open. */
static Py_ssize_t
open_matrices(PyObject *list, Py_buffer *opened, Py_ssize_t width, Py_ssize_t rows)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list); i++) {
        if (open_floats(PyTuple_GET_ITEM(list, i), opened + i, 2, 0) < 0)
            return i;
        rows -= opened[i].shape[0];
        if (opened[i].shape[1] != width || rows < 0) {
            PyErr_SetString(PyExc_ValueError, "inner_products takes matrices of one width, and room for all rows");
            return i + 1;
        }
    }
    if (rows)
        PyErr_SetString(PyExc_ValueError, "inner_products takes matrices of one width, and room for all rows");
    return PyTuple_GET_SIZE(list);
}

/* One thread's part of the rows of all matrices: from the row `first` to the row `last`. */
typedef struct {
    const Py_buffer *matrices, *unit;
    float *dots, *norms;
    Py_ssize_t first, last;
    PyThread_type_lock done; /* NULL for the thread that waits for the others */
} Share;

static void
fill_share(const Share *share)
{
    Py_ssize_t width = share->unit->shape[0], begin = 0;
    for (const Py_buffer *matrix = share->matrices; begin < share->last; begin += (matrix++)->shape[0]) {
        Py_ssize_t first = share->first > begin ? share->first : begin, last = begin + matrix->shape[0];
        last = share->last < last ? share->last : last;
        if (first >= last)
            continue;
        const float *rows = (const float *)matrix->buf + (first - begin) * width;
        multiply(rows, last - first, width, share->unit->buf, share->dots + first);
        if (share->norms != NULL) {
            multiply(rows, last - first, width, NULL, share->norms + first);
            square_roots(share->norms + first, last - first);
        }
    }
}

static void
run_share(void *given)
{
    Share *share = given;
    PyThread_type_lock done = share->done;
    fill_share(share);
    PyThread_release_lock(done); /* from here on `share` may be gone */
}

/* Fill all rows by `threads` threads, this one among them. A thread that cannot be started leaves its rows to this one. */
static void
fill_products(const Share *whole, int threads)
{
    Share shares[MOST_THREADS];
    Py_ssize_t count = whole->last;
    for (int i = threads - 1; i >= 0; i--) {
        shares[i] = *whole;
        shares[i].first = count / threads * i;
        shares[i].last = i == threads - 1 ? count : count / threads * (i + 1);
        shares[i].done = i ? PyThread_allocate_lock() : NULL;
        if (shares[i].done == NULL) {
            fill_share(shares + i);
            continue;
        }
        PyThread_acquire_lock(shares[i].done, WAIT_LOCK);
        if (PyThread_start_new_thread(run_share, shares + i) == PYTHREAD_INVALID_THREAD_ID)
            run_share(shares + i);
    }
    for (int i = 1; i < threads; i++) {
        if (shares[i].done == NULL)
            continue;
        PyThread_acquire_lock(shares[i].done, WAIT_LOCK);
        PyThread_release_lock(shares[i].done);
        PyThread_free_lock(shares[i].done);
    }
}

/* inner_products(matrices, unit, dots, norms, workers): see parcode_orm.query.columns.distance_kernels. The GIL is free meanwhile. */
static PyObject *
inner_products(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyTuple_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "inner_products takes a tuple of matrices, a vector, two arrays and an int");
        return NULL;
    }
    long threads = PyLong_AsLong(args[4]);
    if (threads == -1 && PyErr_Occurred())
        return NULL;
    PyObject *result = NULL;
    Py_ssize_t matrices = 0;
    Py_buffer unit, dots, norms = {0};
    Py_buffer *opened = PyMem_Calloc(PyTuple_GET_SIZE(args[0]) + 1, sizeof *opened);
    if (opened == NULL)
        return PyErr_NoMemory();
    if (open_floats(args[1], &unit, 1, 0) < 0)
        goto no_unit;
    if (open_floats(args[2], &dots, 1, 1) < 0)
        goto no_dots;
    if (args[3] != Py_None && open_floats(args[3], &norms, 1, 1) < 0)
        goto no_norms;
    matrices = open_matrices(args[0], opened, unit.shape[0], dots.shape[0]);
    if (norms.obj != NULL && norms.shape[0] != dots.shape[0] && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "inner_products takes matrices of one width, and room for all rows");
    if (!PyErr_Occurred()) {
        Share whole = {opened, &unit, dots.buf, norms.buf, 0, dots.shape[0], NULL};
        Py_BEGIN_ALLOW_THREADS
        fill_products(&whole, threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : (int)threads);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    while (matrices)
        PyBuffer_Release(opened + --matrices);
    if (norms.obj != NULL)
        PyBuffer_Release(&norms);
no_norms:
    PyBuffer_Release(&dots);
no_dots:
    PyBuffer_Release(&unit);
no_unit:
    PyMem_Free(opened);
    return result;
}

/* What a value of float32 and its margin say: NaN for both bounds where one of them is not finite. */
static inline void
put_bounds(float low, float high, float *to_low, float *to_high)
{
    int known = isfinite(high - low);
    *to_low = known ? low : NAN;
    *to_high = known ? high : NAN;
}

static inline float
not_negative(float value)
{
    return value < 0 ? 0 : value; /* NaN stays */
}

WIDEST static void
around_cosine(
    const float *restrict dots, const float *restrict norms, Py_ssize_t count, float error, float *restrict low,
    float *restrict high
)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        float found = norms[i] > SMALLEST ? 1 - dots[i] / norms[i] : NAN;
        put_bounds(found - 2 * error, found + 2 * error, low + i, high + i);
    }
}

WIDEST static void
around_dot(
    const float *restrict dots, const float *restrict norms, Py_ssize_t count, float error, float length,
    float *restrict low, float *restrict high
)
{
    float share = error * length;
    for (Py_ssize_t i = 0; i < count; i++) {
        float found = dots[i] * length, margin = norms[i] * share + TINY;
        put_bounds(found - margin, found + margin, low + i, high + i);
    }
}

WIDEST static void
around_l2(
    const float *restrict dots, const float *restrict norms, Py_ssize_t count, float error, float length,
    float *restrict low, float *restrict high
)
{
    float twice = 2 * length, square = length * length;
    for (Py_ssize_t i = 0; i < count; i++) {
        float found = norms[i] * norms[i] - twice * dots[i] + square, margin = norms[i] + length;
        margin = margin * margin * error + TINY;
        put_bounds(
            sqrtf(not_negative(found - margin)), sqrtf(not_negative(found) + margin), low + i, high + i
        );
    }
}

/* bounds_around(metric, dots, norms, length, error, low, high): see parcode_orm.query.columns.distance_kernels. */
static PyObject *
bounds_around(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 7 || !PyUnicode_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "bounds_around takes a metric, two arrays, two floats and two arrays");
        return NULL;
    }
    float length = (float)PyFloat_AsDouble(args[3]), error = (float)PyFloat_AsDouble(args[4]);
    if (PyErr_Occurred())
        return NULL;
    Py_buffer arrays[4];
    int opened = 0;
    static const int places[] = {1, 2, 5, 6};
    for (; opened < 4; opened++) {
        if (open_floats(args[places[opened]], arrays + opened, 1, opened > 1) < 0)
            break;
        if (arrays[opened].shape[0] != arrays[0].shape[0]) {
            PyErr_SetString(PyExc_ValueError, "bounds_around takes arrays of one length");
            opened++;
            break;
        }
    }
    if (!PyErr_Occurred()) {
        const float *dots = arrays[0].buf, *norms = arrays[1].buf;
        float *low = arrays[2].buf, *high = arrays[3].buf;
        Py_ssize_t rows = arrays[0].shape[0];
        if (PyUnicode_CompareWithASCIIString(args[0], "cosine") == 0)
            around_cosine(dots, norms, rows, error, low, high);
        else if (PyUnicode_CompareWithASCIIString(args[0], "dot") == 0)
            around_dot(dots, norms, rows, error, length, low, high);
        else
            around_l2(dots, norms, rows, error, length, low, high);
    }
    while (opened)
        PyBuffer_Release(arrays + --opened);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* Put `value` in the place of the largest of a heap, whose largest stands first. */
static void
replace_largest(float *heap, Py_ssize_t count, float value)
{
    Py_ssize_t at = 0, child;
    while ((child = 2 * at + 1) < count) {
        child += child + 1 < count && heap[child + 1] > heap[child];
        if (heap[child] <= value)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

/* The value that would be at the place `wanted - 1` if all were in order, NaN last; infinity where that is NaN. */
static float
limit_of(const float *values, Py_ssize_t count, int turned, float *heap, Py_ssize_t wanted)
{
    for (Py_ssize_t i = 0; i < wanted; i++)
        heap[i] = INFINITY;
    for (Py_ssize_t i = 0; i < count; i++) {
        float value = turned ? -values[i] : values[i];
        if (value < *heap)
            replace_largest(heap, wanted, value);
    }
    return *heap;
}

/* nearest_rows(low, high, count, worst, descending): see parcode_orm.query.rows.nearest. */
static PyObject *
nearest_rows(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "nearest_rows takes two arrays, a count, a limit and a direction");
        return NULL;
    }
    Py_ssize_t wanted = PyLong_AsSsize_t(args[2]);
    double worst = PyFloat_AsDouble(args[3]);
    int turned = PyObject_IsTrue(args[4]);
    if (PyErr_Occurred())
        return NULL;
    PyObject *found = NULL;
    float *heap = NULL;
    Py_buffer low, high;
    if (open_floats(args[0], &low, 1, 0) < 0)
        return NULL;
    if (open_floats(args[1], &high, 1, 0) < 0)
        goto no_high;
    Py_ssize_t rows = low.shape[0], hits = 0;
    if (high.shape[0] != rows || wanted < 0) {
        PyErr_SetString(PyExc_ValueError, "nearest_rows takes arrays of one length, and a count that is not negative");
        goto done;
    }
    if (0 < wanted && wanted < rows) {
        heap = PyMem_Malloc(wanted * sizeof *heap);
        if (heap == NULL) {
            PyErr_NoMemory();
            goto done;
        }
        double limit = limit_of(turned ? low.buf : high.buf, rows, turned, heap, wanted);
        worst = limit < worst ? limit : worst;
    }
    const float *nearest = turned ? high.buf : low.buf;
    for (Py_ssize_t i = 0; i < rows; i++)
        hits += !((turned ? -nearest[i] : nearest[i]) > worst);
    found = PyBytes_FromStringAndSize(NULL, hits * 8);
    if (found == NULL)
        goto done;
    char *to = PyBytes_AS_STRING(found);
    for (int64_t i = 0; i < rows && hits; i++) {
        if ((turned ? -nearest[i] : nearest[i]) > worst)
            continue;
        memcpy(to, &i, 8);
        to += 8;
        hits--;
    }
done:
    PyMem_Free(heap);
    PyBuffer_Release(&high);
no_high:
    PyBuffer_Release(&low);
    return found;
}

PyMethodDef vectors_methods[] = {
    {"inner_products", (PyCFunction)(void (*)(void))inner_products, METH_FASTCALL, NULL},
    {"bounds_around", (PyCFunction)(void (*)(void))bounds_around, METH_FASTCALL, NULL},
    {"nearest_rows", (PyCFunction)(void (*)(void))nearest_rows, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
