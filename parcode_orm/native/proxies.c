/* Proxies: lazy objects of many rows, and those that the program holds already. */

#include "core.h"

#include <structmember.h>

/* What a weak reference leads to, owned; NULL without an error if that is gone. */
static PyObject *
referent(PyObject *ref)
{
    PyObject *found = NULL;
    if (!PyWeakref_Check(ref)) {
        PyErr_SetString(PyExc_TypeError, "objects are known by weak references");
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyWeakref_GetRef(ref, &found);
#else
    found = PyWeakref_GetObject(ref);
    found = found == Py_None ? NULL : Py_XNewRef(found);
#endif
    return found;
}

/* One object of `cls` whose state is (view, row), with a dictionary of its own if `fields` is a descriptor. */
static PyObject *
new_proxy(PyTypeObject *cls, PyObject *nothing, PyMemberDef *state, PyObject *fields, PyObject *view, PyObject *row)
{
    PyObject *proxy = PyBaseObject_Type.tp_new(cls, nothing, NULL);
    if (proxy == NULL)
        return NULL;
    PyObject *pair = PyTuple_Pack(2, view, row);
    int failed = pair == NULL || PyMember_SetOne((char *)proxy, state, pair) < 0;
    Py_XDECREF(pair);
    if (!failed && fields != Py_None) {
        PyObject *values = PyDict_New();
        failed = values == NULL || Py_TYPE(fields)->tp_descr_set(fields, proxy, values) < 0;
        Py_XDECREF(values);
    }
    if (failed)
        Py_CLEAR(proxy);
    return proxy;
}

/* How many rows a list of pairs (view, list of rows) has; -1 with an error if it is something else. */
static Py_ssize_t
rows_of(PyObject *wanted)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(wanted); i++) {
        PyObject *pair = PyTuple_GET_ITEM(wanted, i);
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2 || !PyList_CheckExact(PyTuple_GET_ITEM(pair, 1))) {
            PyErr_SetString(PyExc_TypeError, "new_proxies takes pairs of a view and a list of rows");
            return -1;
        }
        count += PyList_GET_SIZE(PyTuple_GET_ITEM(pair, 1));
    }
    return count;
}

/* Fill `found` and `refs`, both of `count` places. -1 with an error. */
static int
fill_proxies(
    PyTypeObject *cls, PyMemberDef *state, PyObject *fields, PyObject *wanted, PyObject *found, PyObject *refs,
    Py_ssize_t count
)
{
    PyObject *nothing = PyTuple_New(0);
    Py_ssize_t at = 0;
    for (Py_ssize_t i = 0; nothing != NULL && i < PyTuple_GET_SIZE(wanted); i++) {
        PyObject *view = PyTuple_GET_ITEM(PyTuple_GET_ITEM(wanted, i), 0);
        PyObject *rows = PyTuple_GET_ITEM(PyTuple_GET_ITEM(wanted, i), 1);
        for (Py_ssize_t place = 0; place < PyList_GET_SIZE(rows) && at < count; place++, at++) {
            PyObject *row = list_item(rows, place);
            PyObject *proxy = row == NULL ? NULL : new_proxy(cls, nothing, state, fields, view, row);
            PyObject *ref = proxy == NULL ? NULL : PyWeakref_NewRef(proxy, NULL);
            if (ref != NULL) /* it refers to nothing that the cycle collector counts: it has no callback */
                PyObject_GC_UnTrack(ref);
            Py_XDECREF(row);
            PyList_SET_ITEM(found, at, proxy);
            PyList_SET_ITEM(refs, at, ref);
            if (ref == NULL) {
                Py_DECREF(nothing);
                return -1;
            }
        }
    }
    Py_XDECREF(nothing);
    if (nothing != NULL && at < count)
        PyErr_SetString(PyExc_RuntimeError, "rows changed meanwhile");
    return nothing == NULL || at < count ? -1 : 0;
}

/* new_proxies(cls, state, fields, wanted): see parcode_orm.lazy.proxy. */
static PyObject *
new_proxies(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyType_Check(args[0]) || !Py_IS_TYPE(args[1], &PyMemberDescr_Type) || !PyTuple_CheckExact(args[3])
        || (args[2] != Py_None && Py_TYPE(args[2])->tp_descr_set == NULL)) {
        PyErr_SetString(PyExc_TypeError, "new_proxies takes a class, two descriptors and pairs of a view and rows");
        return NULL;
    }
    PyTypeObject *cls = (PyTypeObject *)args[0];
    if (!PyType_IsSubtype(cls, PyDescr_TYPE(args[1])))
        return PyErr_Format(PyExc_TypeError, "%s has no such slot", cls->tp_name);
    Py_ssize_t rows = rows_of(args[3]);
    if (rows < 0)
        return NULL;
    PyObject *found = PyList_New(rows), *refs = PyList_New(rows), *both = NULL;
    PyMemberDef *state = ((PyMemberDescrObject *)args[1])->d_member;
    if (found != NULL && refs != NULL && fill_proxies(cls, state, args[2], args[3], found, refs, rows) == 0)
        both = PyTuple_Pack(2, found, refs);
    Py_XDECREF(found);
    Py_XDECREF(refs);
    return both;
}

/* Enter one object for `row`, or take the one that is known; 1 if it is new, -1 with an error. */
static int
meet_one(PyObject *live, PyObject *row, PyObject *ref, PyObject *found, PyObject *refs, Py_ssize_t at)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *known = NULL;
    if (PyDict_GetItemRef(live, row, &known) < 0)
        return -1;
#else
    PyObject *known = Py_XNewRef(PyDict_GetItemWithError(live, row));
    if (known == NULL && PyErr_Occurred())
        return -1;
#endif
    if (known != NULL) {
        PyObject *other = referent(known);
        if (other != NULL) {
            if (PyList_SetItem(found, at, other) < 0) {
                Py_DECREF(known);
                return -1;
            }
            return PyList_SetItem(refs, at, known) < 0 ? -1 : 0;
        }
        Py_DECREF(known);
        if (PyErr_Occurred())
            return -1;
    }
    return PyDict_SetItem(live, row, ref) < 0 ? -1 : 1;
}

/* meet(live, rows, found, refs, start): see parcode_orm.lazy.proxy. */
static PyObject *
meet(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyDict_CheckExact(args[0]) || !PyList_CheckExact(args[1]) || !PyList_CheckExact(args[2])
        || !PyList_CheckExact(args[3])) {
        PyErr_SetString(PyExc_TypeError, "meet takes a dictionary, three lists and a number");
        return NULL;
    }
    Py_ssize_t start = PyLong_AsSsize_t(args[4]), fresh = 0;
    if (start == -1 && PyErr_Occurred())
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[1]); i++) {
        if (start < 0 || start >= PyList_GET_SIZE(args[2]) - i || start >= PyList_GET_SIZE(args[3]) - i) {
            PyErr_SetString(PyExc_IndexError, "meet takes an object for each row");
            return NULL;
        }
        PyObject *row = list_item(args[1], i), *ref = row == NULL ? NULL : list_item(args[3], start + i);
        int new = ref == NULL ? -1 : meet_one(args[0], row, ref, args[2], args[3], start + i);
        Py_XDECREF(row);
        Py_XDECREF(ref);
        if (new < 0)
            return NULL;
        fresh += new;
    }
    return PyLong_FromSsize_t(fresh);
}

#ifndef Py_GIL_DISABLED
/* The object for `row` that `live` knows, or `proxy`, which it knows by `ref` from now on; NULL with an error. No other
   code runs meanwhile. `*fresh` says which. */
static PyObject *
known_or_new(PyObject *live, PyObject *row, PyObject *proxy, PyObject *ref, int *fresh)
{
    PyObject *known = PyDict_SetDefault(live, row, ref), *other; /* borrowed */
    *fresh = known == ref;
    if (known == NULL || *fresh)
        return known == NULL ? NULL : Py_NewRef(proxy);
    other = referent(known);
    if (other != NULL || PyErr_Occurred())
        return other;
    *fresh = 1;
    return PyDict_SetItem(live, row, ref) < 0 ? NULL : Py_NewRef(proxy);
}

/* Add one to the number in a slot of `counted`. -1 with an error. */
static int
count_one(PyObject *counted, PyObject *slot)
{
    PyMemberDef *member = ((PyMemberDescrObject *)slot)->d_member;
    PyObject *before = PyMember_GetOne((char *)counted, member);
    long long number = before == NULL ? -1 : PyLong_AsLongLong(before);
    Py_XDECREF(before);
    PyObject *after = PyErr_Occurred() ? NULL : PyLong_FromLongLong(number + 1);
    int failed = after == NULL || PyMember_SetOne((char *)counted, member, after) < 0;
    Py_XDECREF(after);
    return failed ? -1 : 0;
}
#endif

/* As known_or_new, and count what is new; None if `live` is empty. */
static PyObject *
entered(PyObject *live, PyObject *row, PyObject *proxy, PyObject *ref, PyObject *counted, PyObject *counter)
{
    int fresh = 0;
    if (!PyDict_GET_SIZE(live))
        return Py_NewRef(Py_None);
    PyObject *found = known_or_new(live, row, proxy, ref, &fresh);
    if (found != NULL && fresh && count_one(counted, counter) < 0)
        Py_CLEAR(found);
    return found;
}

/* enter_proxy(live, view, row, cls, state, fields, counted, counter, lock): see parcode_orm.lazy.proxy. The GIL, where
   there is one, serves as the lock. */
static PyObject *
enter_proxy(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 9 || !PyDict_CheckExact(args[0]) || !PyLong_CheckExact(args[2]) || !PyType_Check(args[3])
        || !Py_IS_TYPE(args[4], &PyMemberDescr_Type) || !Py_IS_TYPE(args[7], &PyMemberDescr_Type)
        || !PyType_IsSubtype((PyTypeObject *)args[3], PyDescr_TYPE(args[4]))
        || !PyObject_TypeCheck(args[6], PyDescr_TYPE(args[7]))
        || (args[5] != Py_None && Py_TYPE(args[5])->tp_descr_set == NULL))
        return PyErr_Format(PyExc_TypeError, "enter_proxy takes a dictionary, a view and a row, a class and slots");
    PyMemberDef *state = ((PyMemberDescrObject *)args[4])->d_member;
    PyObject *nothing = PyTuple_New(0), *found = NULL;
    PyObject *proxy = nothing == NULL
                          ? NULL : new_proxy((PyTypeObject *)args[3], nothing, state, args[5], args[1], args[2]);
    PyObject *ref = proxy == NULL ? NULL : PyWeakref_NewRef(proxy, NULL);
    if (ref != NULL) {
        PyObject_GC_UnTrack(ref); /* as in fill_proxies */
#ifdef Py_GIL_DISABLED
        PyObject *held = PyObject_CallMethod(args[8], "__enter__", NULL);
        if (held != NULL) {
            found = entered(args[0], args[2], proxy, ref, args[6], args[7]);
            PyObject *error = PyErr_GetRaisedException();
            PyObject *left = PyObject_CallMethod(args[8], "__exit__", "OOO", Py_None, Py_None, Py_None);
            if (left == NULL)
                Py_CLEAR(found);
            if (error != NULL)
                PyErr_SetRaisedException(error);
            Py_XDECREF(left);
            Py_DECREF(held);
        }
#else
        found = entered(args[0], args[2], proxy, ref, args[6], args[7]);
#endif
    }
    Py_XDECREF(ref);
    Py_XDECREF(proxy);
    Py_XDECREF(nothing);
    return found;
}

/* Forget the objects of `live` that are gone; `dead` has room for their rows. -1 with an error. */
static int
forget_in(PyObject *live, PyObject *dead)
{
    PyObject *row, *ref;
    for (Py_ssize_t at = 0; PyDict_Next(live, &at, &row, &ref);) {
        PyObject *found = referent(ref);
        if (found == NULL && (PyErr_Occurred() || PyList_Append(dead, row) < 0))
            return -1;
        Py_XDECREF(found);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(dead); i++)
        if (PyDict_DelItem(live, PyList_GET_ITEM(dead, i)) < 0)
            return -1;
    return PyList_SetSlice(dead, 0, PyList_GET_SIZE(dead), NULL);
}

/* forget_dead(lives): see parcode_orm.lazy.proxy. */
static PyObject *
forget_dead(PyObject *module, PyObject *lives)
{
    if (!PyDict_CheckExact(lives))
        return PyErr_Format(PyExc_TypeError, "forget_dead takes a dictionary of dictionaries");
    PyObject *dead = PyList_New(0), *empty = PyList_New(0), *key, *live;
    Py_ssize_t alive = 0;
    int failed = dead == NULL || empty == NULL;
    for (Py_ssize_t at = 0; !failed && PyDict_Next(lives, &at, &key, &live);) {
        failed = !PyDict_CheckExact(live);
        if (failed) {
            PyErr_SetString(PyExc_TypeError, "forget_dead takes a dictionary of dictionaries");
            break;
        }
        Py_INCREF(key);
        Py_INCREF(live);
        failed = forget_in(live, dead) < 0;
        alive += PyDict_GET_SIZE(live);
        if (!failed && !PyDict_GET_SIZE(live))
            failed = PyList_Append(empty, key) < 0;
        Py_DECREF(live);
        Py_DECREF(key);
    }
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(empty); i++)
        failed = PyDict_DelItem(lives, PyList_GET_ITEM(empty, i)) < 0;
    Py_XDECREF(dead);
    Py_XDECREF(empty);
    return failed ? NULL : PyLong_FromSsize_t(alive);
}

/* Whether a slot has nothing in it: it is unset, or, where None `counts` as nothing, None or an empty dictionary. */
static inline int
is_nothing(PyObject *value, int counts)
{
    return value == NULL
        || (counts && (value == Py_None || (PyDict_CheckExact(value) && PyDict_GET_SIZE(value) == 0)));
}

/* Whether all slots of all objects have nothing in them; `name` is that of the function, for its errors. */
static PyObject *
look_at_slots(PyObject *const *args, Py_ssize_t count, int none_counts, const char *name)
{
    if (count != 2 || !PyTuple_CheckExact(args[0]))
        return PyErr_Format(PyExc_TypeError, "%s takes a tuple of slots, and objects", name);
    PyObject *slots = args[0], *objects = as_sequence(args[1]), *result = Py_True;
    if (objects == NULL)
        return NULL;
    BEGIN_LOCKED(objects);
    for (Py_ssize_t i = 0; result == Py_True && i < PySequence_Fast_GET_SIZE(objects); i++) {
        PyObject *object = PySequence_Fast_GET_ITEM(objects, i);
        for (Py_ssize_t j = 0; result == Py_True && j < PyTuple_GET_SIZE(slots); j++) {
            PyMemberDescrObject *slot = (PyMemberDescrObject *)PyTuple_GET_ITEM(slots, j);
            if (!Py_IS_TYPE((PyObject *)slot, &PyMemberDescr_Type)
                || slot->d_member->type != T_OBJECT_EX || !PyObject_TypeCheck(object, PyDescr_TYPE(slot))) {
                PyErr_Format(PyExc_TypeError, "%s takes slots of the objects' class", name);
                result = NULL;
            }
            else if (!is_nothing(*(PyObject **)((char *)object + slot->d_member->offset), none_counts))
                result = Py_False;
        }
    }
    END_LOCKED;
    Py_DECREF(objects);
    return Py_XNewRef(result);
}

/* none_set(slots, objects): whether none of the objects has a value in any of the slots, a tuple of descriptors. */
static PyObject *
none_set(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    return look_at_slots(args, count, 0, "none_set");
}

/* none_filled(slots, objects): as none_set, where None and an empty dictionary are no values. */
static PyObject *
none_filled(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    return look_at_slots(args, count, 1, "none_filled");
}

/* The view and the row that an object stands for, a tuple; NULL without an error if it stands for nothing. */
static PyObject *
state_of(PyObject *object, PyObject *slot)
{
    if (!PyObject_TypeCheck(object, PyDescr_TYPE(slot)))
        return NULL;
    PyObject *state = PyMember_GetOne((char *)object, ((PyMemberDescrObject *)slot)->d_member);
    if (state == NULL)
        PyErr_Clear();
    else if (!PyTuple_CheckExact(state) || PyTuple_GET_SIZE(state) != 2 || !PyLong_CheckExact(PyTuple_GET_ITEM(state, 1)))
        Py_CLEAR(state);
    return state;
}

/* first_of_neighbours(state, objects): see parcode_orm.codec.columns.mixed_rows. */
static PyObject *
first_of_neighbours(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !Py_IS_TYPE(args[0], &PyMemberDescr_Type)
        || ((PyMemberDescrObject *)args[0])->d_member->type != T_OBJECT_EX)
        return PyErr_Format(PyExc_TypeError, "first_of_neighbours takes a slot, and objects");
    PyObject *objects = as_sequence(args[1]), *first = NULL;
    if (objects == NULL)
        return NULL;
    int together = 1;
    long long start = 0, row = 0;
    BEGIN_LOCKED(objects);
    for (Py_ssize_t i = 0; together && i < PySequence_Fast_GET_SIZE(objects); i++) {
        PyObject *state = state_of(PySequence_Fast_GET_ITEM(objects, i), args[0]);
        int beyond = 0;
        together = state != NULL;
        row = together ? PyLong_AsLongLongAndOverflow(PyTuple_GET_ITEM(state, 1), &beyond) : 0;
        if (together && first == NULL) {
            first = Py_NewRef(state);
            start = row;
        }
        together = together && !beyond && row == start + i
                   && PyTuple_GET_ITEM(state, 0) == PyTuple_GET_ITEM(first, 0);
        Py_XDECREF(state);
    }
    END_LOCKED;
    Py_DECREF(objects);
    if (!together)
        Py_CLEAR(first);
    return first == NULL ? Py_NewRef(Py_None) : first;
}

PyMethodDef proxies_methods[] = {
    {"new_proxies", (PyCFunction)(void (*)(void))new_proxies, METH_FASTCALL, NULL},
    {"enter_proxy", (PyCFunction)(void (*)(void))enter_proxy, METH_FASTCALL, NULL},
    {"first_of_neighbours", (PyCFunction)(void (*)(void))first_of_neighbours, METH_FASTCALL, NULL},
    {"forget_dead", forget_dead, METH_O, NULL},
    {"none_filled", (PyCFunction)(void (*)(void))none_filled, METH_FASTCALL, NULL},
    {"none_set", (PyCFunction)(void (*)(void))none_set, METH_FASTCALL, NULL},
    {"meet", (PyCFunction)(void (*)(void))meet, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
