"""Several statements in one round trip, by libpq's pipeline mode, prepared once a connection.

psycopg's own pipelines do the same for any statements, and take eight times as much of a processor.
"""

import select
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
_TEXT, _BINARY = pq.Format.TEXT, pq.Format.BINARY


class Statement:
    """A statement whose parameters are texts, bytes, numbers or None; each has a name of its own."""

    def __init__(self, name: str, sql: str) -> None:
        self.name = name.encode()
        self.sql = sql.encode()


Step = tuple[Statement, Sequence[bytes | str | int | None]]


class Prepared:
    """The statements that a connection knows by name."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._known: set[bytes] = set()

    def run(self, steps: Sequence[Step]) -> list[list[tuple[bytes | None, ...]]]:
        """The rows of each statement that gives some, their values as PostgreSQL writes them.

        psycopg.Error of the first that failed: those after it were not run. OperationalError, and the connection is closed,
        if it was lost before the last one was answered.
        """
        sent: list[Statement | None] = []  # for each result that is due: what it makes known
        new: set[bytes] = set()
        try:
            self._pgconn.enter_pipeline_mode()
            for statement, values in steps:
                if statement.name not in self._known and statement.name not in new:
                    self._pgconn.send_prepare(statement.name, statement.sql)
                    sent.append(statement)
                    new.add(statement.name)
                parameters = [
                    one if one is None or isinstance(one, bytes) else str(one).encode() for one in values
                ]
                formats = [_BINARY if isinstance(one, bytes) else _TEXT for one in values]
                self._pgconn.send_query_prepared(statement.name, parameters, formats)
                sent.append(None)
            self._pgconn.pipeline_sync()
            results = self._results()
        except psycopg.Error:
            self._connection.close()
            raise
        try:
            self._pgconn.exit_pipeline_mode()
        except psycopg.Error:
            self._connection.close()
        for made, result in zip(sent, results, strict=False):
            if result.status not in _DONE:
                raise error_from_result(result, self._connection.info.encoding)
            if made is not None:
                self._known.add(made.name)
        if len(results) < len(sent):
            self._connection.close()
            raise psycopg.OperationalError("the server closed the connection")
        return [_rows(result) for result in results if result.status == pq.ExecStatus.TUPLES_OK]

    def _results(self) -> list["pq.abc.PGresult"]:
        pgconn, found = self._pgconn, list["pq.abc.PGresult"]()
        poll = select.poll()
        sending = pgconn.flush() != 0
        poll.register(pgconn.socket, select.POLLIN | (select.POLLOUT if sending else 0))
        while True:
            if pgconn.is_busy() or sending:
                poll.poll()
                pgconn.consume_input()
                if sending and not (sending := pgconn.flush() != 0):
                    poll.modify(pgconn.socket, select.POLLIN)
                continue
            result = pgconn.get_result()
            if result is None:  # between the results of two statements
                if pgconn.status == pq.ConnStatus.BAD:
                    return found
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)


def _rows(result: "pq.abc.PGresult") -> list[tuple[bytes | None, ...]]:
    return [
        tuple([result.get_value(row, column) for column in range(result.nfields)])
        for row in range(result.ntuples)
    ]
