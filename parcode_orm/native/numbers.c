/* Ints, floats, bools and offsets: lists to packed buffers. */

#include "core.h"

/* The floats of a list or tuple as they stand in memory; None if one is not exactly a float. */
static PyObject *
pack_floats_locked(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    if (count > PY_SSIZE_T_MAX / 8)
        return PyErr_NoMemory();
    PyObject *packed = PyBytes_FromStringAndSize(NULL, count * 8);
    if (packed == NULL)
        return NULL;
    char *out = PyBytes_AS_STRING(packed);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (!PyFloat_CheckExact(value)) {
            Py_DECREF(packed);
            Py_RETURN_NONE;
        }
        double number = PyFloat_AS_DOUBLE(value);
        memcpy(out + i * 8, &number, 8);
    }
    return packed;
}

SEQUENCE_METHOD(pack_floats)

/* Lowest and highest of packed floats without NaN, zeros as 0.0, and whether there is NaN; None when all are. */
static PyObject *
float_range(PyObject *module, PyObject *args)
{
    PyObject *values;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "Oy*:float_range", &values, &data))
        return NULL;
    double low = Py_HUGE_VAL, high = -Py_HUGE_VAL;
    int nans = 0, numbers = 0;
    const char *at = data.buf, *end = at + data.len / 8 * 8;
    for (; at < end; at += 8) {
        double value;
        memcpy(&value, at, 8);
        if (value != value) {
            nans = 1;
            continue;
        }
        numbers = 1;
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    PyBuffer_Release(&data);
    if (!numbers)
        Py_RETURN_NONE;
    return Py_BuildValue("(ddO)", low + 0.0, high + 0.0, nans ? Py_True : Py_False);
}

/* One bit a value, least significant first; None if one is not exactly a bool. */
static PyObject *
pack_bools_locked(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    PyObject *packed = PyBytes_FromStringAndSize(NULL, count / 8 + (count % 8 != 0));
    if (packed == NULL)
        return NULL;
    char *out = PyBytes_AS_STRING(packed);
    memset(out, 0, PyBytes_GET_SIZE(packed));
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (value == Py_True)
            out[i >> 3] |= (char)(1 << (i & 7));
        else if (value != Py_False) {
            Py_DECREF(packed);
            Py_RETURN_NONE;
        }
    }
    return packed;
}

SEQUENCE_METHOD(pack_bools)

/* Lowest and highest of ints; of those beyond 63 bits, if there are any (`wide`), apart. */
typedef struct {
    long long low, high;
    unsigned long long wide_low, wide_high;
    int wide;
} Range;

/* Widen `range` by an exact int; 0 if it needs more than 64 bits. */
static int
widen(Range *range, PyObject *number)
{
    long long value;
    if (!small_int(number, &value)) {
        int overflow;
        value = PyLong_AsLongLongAndOverflow(number, &overflow);
        if (overflow < 0)
            return 0;
        if (overflow > 0) {
            unsigned long long wide = PyLong_AsUnsignedLongLong(number);
            if (wide == (unsigned long long)-1 && PyErr_Occurred()) {
                PyErr_Clear();
                return 0;
            }
            range->wide_low = wide < range->wide_low ? wide : range->wide_low;
            range->wide_high = wide > range->wide_high ? wide : range->wide_high;
            range->wide = 1;
            return 1;
        }
    }
    range->low = value < range->low ? value : range->low;
    range->high = value > range->high ? value : range->high;
    return 1;
}

/* Whether all of `values`, at least one, are exactly ints that fit 64 bits together; their `range`. */
static int
int_range(PyObject *values, Range *range)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    *range = (Range){LLONG_MAX, LLONG_MIN, ULLONG_MAX, 0, 0};
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (!PyLong_CheckExact(value) || !widen(range, value))
            return 0;
    }
    return count > 0 && !(range->wide && range->low < 0);
}

/* Smallest width in bytes of signed numbers from `low` to `high`. */
static int
signed_width(long long low, long long high)
{
    long long reach = ~low > high ? ~low : high;
    return reach < 1LL << 7 ? 1 : reach < 1LL << 15 ? 2 : reach < 1LL << 31 ? 4 : 8;
}

/* The bits of an int that `int_range` has let pass. */
static inline unsigned long long
bits_of(PyObject *number)
{
    long long value;
    return small_int(number, &value) ? (unsigned long long)value : PyLong_AsUnsignedLongLongMask(number);
}

#define PUT_ALL(type, expression)                                                                  \
    for (Py_ssize_t i = 0; i < count; i++) {                                                       \
        type value = (type)(expression);                                                           \
        memcpy(out + i * sizeof value, &value, sizeof value);                                      \
    }

/* Write ints that `int_range` has let pass, at `width` bytes each. */
static void
put_ints(PyObject *values, char *out, int width)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    PyObject **items = PySequence_Fast_ITEMS(values);
    switch (width) {
    case 1:
        PUT_ALL(uint8_t, bits_of(items[i]));
        break;
    case 2:
        PUT_ALL(uint16_t, bits_of(items[i]));
        break;
    case 4:
        PUT_ALL(uint32_t, bits_of(items[i]));
        break;
    default:
        PUT_ALL(uint64_t, bits_of(items[i]));
    }
}

/* Ints at the smallest width: (buffer, width, whether signed, lowest, highest); None if one is not exactly an int,
   they do not fit 64 bits together, or there is none. */
static PyObject *
pack_exact_ints_locked(PyObject *values)
{
    Range range;
    if (!int_range(values, &range))
        Py_RETURN_NONE;
    int negative = range.low < 0, small = range.high != LLONG_MIN;
    unsigned long long high = range.wide ? range.wide_high : (unsigned long long)range.high;
    unsigned long long low = small ? (unsigned long long)range.low : range.wide_low;
    int width = negative ? signed_width(range.low, range.high) : unsigned_width(high);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    if (count > PY_SSIZE_T_MAX / 8)
        return PyErr_NoMemory();
    PyObject *packed = PyBytes_FromStringAndSize(NULL, count * width);
    if (packed == NULL)
        return NULL;
    put_ints(values, PyBytes_AS_STRING(packed), width);
    if (negative)
        return Py_BuildValue("(NiOLL)", packed, width, Py_True, range.low, range.high);
    return Py_BuildValue("(NiOKK)", packed, width, Py_False, low, high);
}

SEQUENCE_METHOD(pack_exact_ints)

/* Write `count` offsets at `width` bytes each. */
static void
put_offsets(const uint64_t *offsets, Py_ssize_t count, char *out, int width)
{
    switch (width) {
    case 1:
        PUT_ALL(uint8_t, offsets[i]);
        break;
    case 2:
        PUT_ALL(uint16_t, offsets[i]);
        break;
    case 4:
        PUT_ALL(uint32_t, offsets[i]);
        break;
    default:
        memcpy(out, offsets, count * sizeof *offsets);
    }
}

PyObject *
packed_offsets(const uint64_t *offsets, Py_ssize_t count, int *width)
{
    *width = unsigned_width(offsets[count - 1]);
    PyObject *packed = PyBytes_FromStringAndSize(NULL, count * *width);
    if (packed != NULL)
        put_offsets(offsets, count, PyBytes_AS_STRING(packed), *width);
    return packed;
}

/* The length of `values[i]`; -1 with an error if it has none. The call may run code, which may change the list. */
static Py_ssize_t
length_at(PyObject *values, Py_ssize_t i)
{
    if (i >= PySequence_Fast_GET_SIZE(values)) {
        PyErr_SetString(PyExc_RuntimeError, "the list changed while its items were measured");
        return -1;
    }
    PyObject *value = PySequence_Fast_GET_ITEM(values, i);
    if (is_sequence(value) || PyBytes_CheckExact(value))
        return Py_SIZE(value);
    if (PyUnicode_CheckExact(value))
        return PyUnicode_GET_LENGTH(value);
    Py_INCREF(value);
    Py_ssize_t length = PyObject_Size(value);
    Py_DECREF(value);
    return length;
}

/* Running sums of the lengths of what is in `values` from 0 on: (buffer, width, total). */
static PyObject *
offsets_of_locked(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    uint64_t *offsets = PyMem_New(uint64_t, count + 1);
    if (offsets == NULL)
        return PyErr_NoMemory();
    offsets[0] = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t length = length_at(values, i);
        if (length < 0) {
            PyMem_Free(offsets);
            return NULL;
        }
        offsets[i + 1] = offsets[i] + (uint64_t)length;
    }
    int width;
    unsigned long long total = offsets[count];
    PyObject *packed = packed_offsets(offsets, count + 1, &width);
    PyMem_Free(offsets);
    return packed == NULL ? NULL : Py_BuildValue("(NiK)", packed, width, total);
}

SEQUENCE_METHOD(offsets_of)

/* pack_field(objects, name): see parcode_orm.table.ints. */
static PyObject *
pack_field(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyList_CheckExact(args[0]) || !PyUnicode_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "pack_field takes a list of objects and a name");
    Py_ssize_t size = PyList_GET_SIZE(args[0]), done = 0;
    uint64_t *numbers = PyMem_New(uint64_t, size ? size : 1), all = 0, total = 0;
    if (numbers == NULL)
        return PyErr_NoMemory();
    for (; done < size; done++) {
        PyObject *object = list_item(args[0], done), *number = NULL;
        if (object != NULL)
            number = PyObject_GetAttr(object, args[1]);
        Py_XDECREF(object);
        numbers[done] = number == NULL ? 0 : PyLong_AsUnsignedLongLong(number);
        Py_XDECREF(number);
        if (number == NULL || (numbers[done] == (uint64_t)-1 && PyErr_Occurred()))
            break;
        all |= numbers[done];
        total += numbers[done];
        if (total < numbers[done]) {
            PyErr_SetString(PyExc_OverflowError, "the sum takes more than 64 bits");
            break;
        }
    }
    PyObject *packed = NULL;
    int width = all >> 32 ? 8 : all >> 16 ? 4 : all >> 8 ? 2 : 1;
    if (done == size)
        packed = PyBytes_FromStringAndSize(NULL, size * width);
    for (Py_ssize_t i = 0; packed != NULL && i < size; i++) /* little-endian: the low bytes come first */
        memcpy(PyBytes_AS_STRING(packed) + i * width, &numbers[i], width);
    PyMem_Free(numbers);
    return packed == NULL ? NULL : Py_BuildValue("(NiK)", packed, width, (unsigned long long)total);
}

PyMethodDef numbers_methods[] = {
    {"pack_field", (PyCFunction)(void (*)(void))pack_field, METH_FASTCALL, NULL},
    {"float_range", float_range, METH_VARARGS, NULL},
    {"offsets_of", offsets_of, METH_O, NULL},
    {"pack_bools", pack_bools, METH_O, NULL},
    {"pack_exact_ints", pack_exact_ints, METH_O, NULL},
    {"pack_floats", pack_floats, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
