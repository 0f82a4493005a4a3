"""Delinea Secret Server, alone or below the Delinea Platform: REST on our own connections."""
