/* Places: nodes in the heads of many row groups, packed end to end, that are sought in all of them at once. */

#include "arrays.h"

enum {
    NODE = 80, FLAGS = 3, SPAN = 4, PARAM = 12, /* bytes of a node; where its parts stand */
    CONSTANT = 7, DICTIONARY = 8, OPTIONAL = 9, STRUCT = 12, STATISTICS = 8, MISSING = 2, DEEPEST = 4,
};

typedef struct {
    const unsigned char *data;
    int64_t count;
} Nodes;

static inline uint32_t
part(const Nodes *nodes, int64_t node, int at)
{
    uint32_t value;
    memcpy(&value, nodes->data + NODE * node + at, 4);
    return value;
}

/* Child `place` of a node, in a row group whose nodes end before `end`; -1 if there is none. */
static int64_t
child_of(const Nodes *nodes, int64_t node, int64_t place, int64_t end)
{
    if (node < 0 || node >= nodes->count)
        return -1;
    int64_t stop = node + part(nodes, node, SPAN), child = node + 1;
    for (int64_t i = 0, span = 1; i < place && child < stop && span; i++, child += span)
        span = part(nodes, child < nodes->count ? child : nodes->count - 1, SPAN);
    return child < stop && stop <= end && child < nodes->count ? child : -1;
}

/* What both functions take: nodes, and of each row group the end of its nodes, where to begin, and room. */
typedef struct {
    Py_buffer data;
    Numbers ends, at, found;
    Nodes nodes;
} Given;

static int
is_int64(const Numbers *numbers)
{
    return numbers->kind == 'i' && numbers->width == 8;
}

static void
release(Given *given)
{
    PyBuffer_Release(&given->found.view);
    PyBuffer_Release(&given->at.view);
    PyBuffer_Release(&given->ends.view);
    PyBuffer_Release(&given->data);
}

/* Open them. -1 with an error. */
static int
open_given(PyObject *data, PyObject *ends, PyObject *at, PyObject *found, Given *given)
{
    if (PyObject_GetBuffer(data, &given->data, PyBUF_SIMPLE) < 0)
        return -1;
    if (open_numbers(ends, &given->ends, 0) < 0)
        goto no_ends;
    if (open_numbers(at, &given->at, 0) < 0)
        goto no_at;
    if (open_numbers(found, &given->found, 1) < 0)
        goto no_found;
    given->nodes = (Nodes){given->data.buf, given->data.len / NODE};
    if (is_int64(&given->ends) && is_int64(&given->at) && is_int64(&given->found)
        && given->ends.count == given->at.count && given->found.count == given->at.count)
        return 0;
    PyErr_SetString(PyExc_ValueError, "nodes are sought with three arrays of int64, of one length");
    PyBuffer_Release(&given->found.view);
no_found:
    PyBuffer_Release(&given->at.view);
no_at:
    PyBuffer_Release(&given->ends.view);
no_ends:
    PyBuffer_Release(&given->data);
    return -1;
}

/* find_nodes(packed, ends, at, places, found): see parcode_orm.query.columns.packed_nodes. */
static PyObject *
find_nodes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    enum { MOST = 64 };
    long long places[MOST];
    if (count != 5 || !PyTuple_CheckExact(args[3]) || PyTuple_GET_SIZE(args[3]) > MOST)
        return PyErr_Format(PyExc_TypeError, "find_nodes takes bytes, arrays, and a tuple of up to %d places", MOST);
    Py_ssize_t steps = PyTuple_GET_SIZE(args[3]);
    for (Py_ssize_t i = 0; i < steps; i++) {
        places[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(args[3], i));
        if (PyErr_Occurred())
            return NULL;
    }
    Given given;
    if (open_given(args[0], args[1], args[2], args[4], &given) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < given.at.count; i++) {
        int64_t node = int_at(given.at.at, 8, 1, i), end = int_at(given.ends.at, 8, 1, i);
        for (Py_ssize_t step = 0; step < steps && node >= 0; step++) {
            int whole = !step || (node < given.nodes.count && given.nodes.data[NODE * node] == STRUCT
                                  && !(part(&given.nodes, node, PARAM) & MISSING));
            node = whole ? child_of(&given.nodes, node, places[step], end) : -1;
        }
        memcpy((char *)given.found.view.buf + 8 * i, &node, 8);
    }
    release(&given);
    Py_RETURN_NONE;
}

/* find_statistics(packed, ends, at, found, nulls): see parcode_orm.query.columns.packed_nodes. */
static PyObject *
find_statistics(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5)
        return PyErr_Format(PyExc_TypeError, "find_statistics takes bytes and arrays");
    Given given;
    Numbers nulls;
    if (open_given(args[0], args[1], args[2], args[3], &given) < 0)
        return NULL;
    if (open_numbers(args[4], &nulls, 1) < 0) {
        release(&given);
        return NULL;
    }
    int fits = nulls.width == 1 && nulls.kind == 'u' && nulls.count == given.at.count;
    for (Py_ssize_t i = 0; fits && i < given.at.count; i++) {
        const Nodes *nodes = &given.nodes;
        int64_t node = int_at(given.at.at, 8, 1, i), end = int_at(given.ends.at, 8, 1, i);
        for (int deep = 0; node >= 0 && node < nodes->count; deep++) {
            const unsigned char *entry = nodes->data + NODE * node;
            if (entry[FLAGS] & STATISTICS || deep == DEEPEST)
                break;
            if (*entry == OPTIONAL && part(nodes, node, PARAM))
                ((char *)nulls.view.buf)[i] = 1;
            node = *entry == OPTIONAL || *entry == CONSTANT ? child_of(nodes, node, 0, end)
                   : *entry == DICTIONARY                   ? child_of(nodes, node, 1, end)
                                                            : -1;
        }
        if (node >= nodes->count || (node >= 0 && !(nodes->data[NODE * node + FLAGS] & STATISTICS)))
            node = -1;
        memcpy((char *)given.found.view.buf + 8 * i, &node, 8);
    }
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "find_statistics takes an array of bools for the nulls");
    PyBuffer_Release(&nulls.view);
    release(&given);
    return fits ? Py_NewRef(Py_None) : NULL;
}

PyMethodDef places_methods[] = {
    {"find_nodes", (PyCFunction)(void (*)(void))find_nodes, METH_FASTCALL, NULL},
    {"find_statistics", (PyCFunction)(void (*)(void))find_statistics, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
