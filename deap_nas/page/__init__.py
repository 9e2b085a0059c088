"""A run as a page: one to keep, one that lives. Needs the extra ``page``."""

from deap_nas.page.server import Address, serve
from deap_nas.page.writing import write_page

__all__ = ["Address", "serve", "write_page"]
