"""A chaos test: random writers and subscribers against a server that is killed again and again, then a check of it all.

Writers change jobs over HTTP and record what the server acknowledged. Subscribers follow jobs over websocket, SSE or
polling; they disconnect, stall and resume at any version. Each folds what it receives into a view, as a client would,
and fails at the first gap, repeat or late message. At the end the server is dead; its database is read without its
code and compared with the acknowledged changes and with every view.

Reading order:
    run          the course of a run
    commands     the random commands;  writers  their senders;  history  the acknowledged changes
    subscribers  the followers of a job;  client_view  what a client shows;  shared_state  what all of them share
    connection   the interface of a connection;  websocket, sse, polling  its kinds, on tcp
    invariants   what must hold at the end, of the rows in db_dump;  violations  the kinds of failure
    mutants      bugs in the server that a run must detect

Another run drives the clients of `clients/`: in Node, in Python and in a browser, each over a line that is cut and
frozen. Every state that they show must be one that the database has recorded, and the last must be shown by all:
    client_run    the course of a run
    followers     the clients, whose programs are in `programs/`;  line  the network of one of them
    recording     the record of every state, kept by the server of the run
    shown_states  the comparison;  delays  how long it took to show what was committed

`make test` runs both for a few seconds, and the checks on recorded faults. The long run, with the mutants, is
`python -m tests.chaos`; a failure is repeated with the `--seed` that it printed.
"""
